"""One solution: how far the predictions of three solvers, two seeds and two orders are apart, and those of AdamW."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from hetvs.linear.cg import conjugate_gradients
from hetvs.linear.dual import Dual
from hetvs.linear.factors import gather_factors, mean_diagonal
from hetvs.linear.preconditioner import Preconditioner
from hetvs.linear.problem import Problem, outputs, tangents
from hetvs.linear.sgd import stochastic
from studies.lqf.arms import BATCH, RATES, Predict, cross_entropy, descent
from studies.lqf.task import Data, net_of

TOLERANCE = 1e-5  # of the normal equations
CG_STEPS = 1000
SGD_PASSES = 400
PAIRS = ("cg, dual", "sgd, dual", "sgd, another seed", "adamw, another seed")


def differences(start: Path, data: Data, layers: int, share: float) -> dict[str, float]:
    """Return ||a - b|| / ||b|| of the outputs on val images for each of `PAIRS`.

    lambda is `share` times the mean diagonal of J^T J / n.
    Stochastic gradients of another seed see the images in another order and draw other K-FAC factors; AdamW of
    another seed sees another order alone: both start from the same weights.
    """
    net = net_of(start, data, layers)
    problem = Problem.of(net.fit.net, net.fit.prefix_n, net.fit.target_nD, 0.0, BATCH)
    ridge = share * mean_diagonal(problem.net, problem.prefix_n, batch=BATCH)
    problem = replace(problem, ridge=ridge)

    def factors(seed: int) -> Preconditioner:
        return Preconditioner(problem.net, gather_factors(problem.net, problem.prefix_n, seed=seed, batch=BATCH), ridge)

    def sgd(seed: int) -> Tensor:
        solution = stochastic(problem, factors(seed), tolerance=TOLERANCE, passes=SGD_PASSES, batch=BATCH, seed=seed)
        return solution.delta_P

    def linear(delta_P: Tensor) -> Tensor:
        return outputs(problem.net, net.val, BATCH) + tangents(problem.net, net.val, delta_P, BATCH)

    def adamw(seed: int) -> Predict:
        fit = replace(net.fit, loss=cross_entropy)
        return descent(fit, RATES["adamw"][1], optimiser="adamw", linear=False, seed=seed)

    exact, first = linear(Dual.of(problem).solution().delta_P), linear(sgd(0))
    cg = linear(conjugate_gradients(problem, factors(0), tolerance=TOLERANCE, steps=CG_STEPS).delta_P)
    found = ((cg, exact), (first, exact), (linear(sgd(1)), first), (adamw(1)(net.val), adamw(0)(net.val)))
    return dict(zip(PAIRS, (apart(a, b) for a, b in found), strict=True))


def apart(a: Tensor, b: Tensor) -> float:
    """Return ||a - b|| / ||b||.

    >>> import torch
    >>> apart(torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])) < 0.3
    True
    """
    return float((a - b).norm() / b.norm())
