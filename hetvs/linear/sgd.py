"""Stochastic gradients for the quadratic: momentum, a constant preconditioner, a rate from the curvature.

Every pass begins with the full gradient, which is also the residual of the normal equations; the steps
take their noise off by it (Johnson and Zhang, NIPS 2013), so that a constant rate ends at the optimum.
Momentum lets the noise of mini-batches grow: at the rate of plain descent the residual of a student's four layers
went to 7e9. So the rate begins at a share of it, and a pass that ends far above the best one is taken back.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from hetvs.linear.problem import Apply, Problem, Solution

MOMENTUM = 0.9
CAUTION = 0.2  # of the rate of plain descent
WORSE = 2.0  # times the least residual: the rate is too high
PROBES = 4  # mini-batches that are looked at: one may be a tame one
POWER_STEPS = 10


def stochastic(
    problem: Problem, precondition: Apply, *, tolerance: float, passes: int, batch: int, seed: int
) -> Solution:
    """Solve the normal equations by mini-batches of `batch` until the residual is below `tolerance`.

    The order of the images is that of `seed`. The rate begins at `CAUTION` / (largest eigenvalue of Pre^-1 H), of the
    steepest of a few mini-batches, and is halved where that is too high. The best end of a pass is the solution.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    b = problem.right_side()
    x, velocity, scale = torch.zeros_like(b), torch.zeros_like(b), b.norm()
    tried = (rng.permutation(len(problem))[:batch] for _ in range(PROBES))
    rate = CAUTION / max(largest_eigenvalue(problem, precondition, images) for images in tried)
    best, at_best = Solution(x, "sgd", 0, (math.inf,)), -b
    seen: list[float] = []
    taken = 0
    for _ in range(passes + 1):
        full = problem.hessian(x) - b
        seen.append((full.norm() / scale).item() if scale > 0 else 0.0)
        if seen[-1] < best.residuals[-1]:
            best, at_best = Solution(x, "sgd", taken, tuple(seen)), full
        if seen[-1] <= tolerance or len(seen) > passes:
            break
        if not seen[-1] <= WORSE * best.residuals[-1]:  # also where it is no number
            x, full, velocity, rate = best.delta_P, at_best, torch.zeros_like(b), rate / 2
        anchor = x
        order = rng.permutation(len(problem))
        for start in range(0, len(order), batch):
            gradient = problem.hessian(x - anchor, order[start : start + batch]) + full
            velocity = MOMENTUM * velocity - rate * precondition(gradient)
            x = x + velocity
            taken += 1
    return replace(best, steps=taken, residuals=(*seen[:-1], best.residuals[-1]))


def largest_eigenvalue(problem: Problem, precondition: Apply, images: np.ndarray) -> float:
    """Return the largest eigenvalue of Pre^-1 H over some images, by ten power iterations."""
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(problem.net.size, generator=generator, dtype=torch.float64)
    found = 1.0
    for _ in range(POWER_STEPS):
        v = v / v.norm()
        v = precondition(problem.hessian(v, images))
        found = v.norm().item()
    return found
