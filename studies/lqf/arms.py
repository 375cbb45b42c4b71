"""Ways of fine-tuning that are compared: each gets the same network, images, targets and number of trials.

Linear-quadratic is convex and has lambda to choose. Its rivals: the same weights tuned without a
linearisation (AdamW, SGD), the head alone, and linearisations that lack an ingredient.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.linear.cg import conjugate_gradients
from hetvs.linear.factors import gather_factors, mean_diagonal
from hetvs.linear.network import Linearised
from hetvs.linear.preconditioner import Preconditioner
from hetvs.linear.problem import Apply, Problem, outputs, tangents

LQF = "linear-quadratic"
RIDGES = (1e-5, 1e-3, 1e-1)  # shares of the mean diagonal: the trials of a convex arm
RATES = {"adamw": (1e-4, 3e-4, 1e-3), "sgd": (1e-4, 1e-3, 1e-2)}  # the trials of a descent
STEPS = 150  # of a descent, at least
EPOCHS = 3  # of a descent, where that is more
BATCH = 64
Loss = Callable[[Tensor, Tensor], Tensor]
Predict = Callable[[Tensor], Tensor]  # prefixes of n images -> outputs (n, D)


@dataclass(frozen=True)
class Fit:
    """What is fitted: prefixes of n images and their targets (n, D); `loss` is what a descent minimises."""

    net: Linearised
    prefix_n: Tensor
    target_nD: Tensor
    loss: Loss


def half_squares(out_BD: Tensor, target_BD: Tensor) -> Tensor:
    """Return 1/(2B) sum ||f - y||^2."""
    return (out_BD - target_BD).square().sum() / (2 * len(out_BD))


def cross_entropy(out_BD: Tensor, target_BD: Tensor) -> Tensor:
    """Return the cross-entropy against the highest entry of each target."""
    return F.cross_entropy(out_BD, target_BD.argmax(1))


def angle_loss(out_BD: Tensor, target_BD: Tensor) -> Tensor:
    """Return 1 - cos, the anchor of a student."""
    return (1 - F.cosine_similarity(out_BD, target_BD, dim=1)).mean()


def convex(fit: Fit, share: float, *, kfac: bool, steps: int) -> tuple[Predict, int]:
    """Solve the ridge problem; return x -> f0(x) + J dw and the steps taken."""
    problem = Problem.of(fit.net, fit.prefix_n, fit.target_nD, 0.0, BATCH)
    problem = replace(problem, ridge=share * mean_diagonal(fit.net, fit.prefix_n, batch=BATCH))
    precondition: Apply = torch.clone
    if kfac:
        factors = gather_factors(fit.net, fit.prefix_n, seed=0, batch=BATCH)
        precondition = Preconditioner(fit.net, factors, problem.ridge)
    solution = conjugate_gradients(problem, precondition, tolerance=1e-3, steps=steps)
    delta_P = solution.delta_P

    def predict(prefix_M: Tensor) -> Tensor:
        return outputs(fit.net, prefix_M, BATCH) + tangents(fit.net, prefix_M, delta_P, BATCH)

    return predict, solution.steps


def descent(fit: Fit, rate: float, *, optimiser: str, linear: bool, seed: int) -> Predict:
    """Minimise the loss by `STEPS` mini-batches, or `EPOCHS` passes.

    `linear` moves dw in f0 + J dw, else the weights themselves.
    """
    net = copy.deepcopy(fit.net)
    modules: Iterable[nn.Module] = [*net.trunk.deltas, net.delta] if linear else net.layers().values()
    weights = [parameter.requires_grad_(True) for module in modules for parameter in module.parameters()]
    makers: Mapping[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(weights, rate, weight_decay=0.01),
        "sgd": lambda: torch.optim.SGD(weights, rate, momentum=0.9),
    }
    tuned = makers[optimiser]()
    steps = max(STEPS, EPOCHS * len(fit.prefix_n) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(tuned, steps)
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))

    def forward(prefix_B: Tensor) -> Tensor:
        return sum(net(prefix_B), torch.zeros(())) if linear else net.plain(prefix_B)

    for _ in range(steps):
        chosen = rng.permutation(len(fit.prefix_n))[:BATCH]
        loss = fit.loss(forward(fit.prefix_n[chosen]), fit.target_nD[chosen].to(fit.prefix_n.dtype))
        tuned.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, 10.0)
        tuned.step()
        schedule.step()

    def predict(prefix_M: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([forward(part).double() for part in torch.split(prefix_M, BATCH)])

    return predict


def best_of(trials: Iterable[Predict], judge: Callable[[Predict], float]) -> tuple[Predict, int]:
    """Return the predictor that `judge` likes best, the earlier of equals, and its number."""
    found = list(trials)
    scores = [judge(predict) for predict in found]
    best = int(np.argmax(scores))
    return found[best], best
