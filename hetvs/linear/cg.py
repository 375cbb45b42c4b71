"""Preconditioned conjugate gradients on the normal equations (Hestenes and Stiefel, 1952)."""

from __future__ import annotations

import torch

from hetvs.linear.problem import Apply, Problem, Solution

RECOMPUTE_STEPS = 20  # the recurrence of the residual drifts: this often it is computed anew


def conjugate_gradients(problem: Problem, precondition: Apply, *, tolerance: float, steps: int) -> Solution:
    """Solve (J^T J / n + lambda I) dw = J^T r / n until the residual is below `tolerance`, or `steps` are taken."""
    b = problem.right_side()
    x = torch.zeros_like(b)
    residual, scale = b, b.norm()
    z = precondition(residual)
    direction, rho = z, residual @ z
    seen = [1.0 if scale > 0 else 0.0]
    while seen[-1] > tolerance and len(seen) <= steps:
        h = problem.hessian(direction)
        step = rho / (direction @ h)
        x = x + step * direction
        residual = b - problem.hessian(x) if len(seen) % RECOMPUTE_STEPS == 0 else residual - step * h
        seen.append((residual.norm() / scale).item())
        z = precondition(residual)
        new = residual @ z
        direction, rho = z + new / rho * direction, new
    if len(seen) > 1:
        seen[-1] = ((b - problem.hessian(x)).norm() / scale).item()  # what is reported is computed, not carried on
    return Solution(x, "cg", len(seen) - 1, tuple(seen))
