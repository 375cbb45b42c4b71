"""How far a solution can move an output, before any image is asked, and how far it moved."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetvs.linear.problem import Problem, Solution


@dataclass(frozen=True)
class Drift:
    """The bound on a move, and moves as angles in degrees between outputs before and after.

    `delta_norm` is ||dw||, `delta_bound` what lambda allows it: lambda/2 ||dw||^2 <= L(0), so
    ||dw|| <= ||r|| / sqrt(n lambda); no image can then move by more than ||J_x|| times that. None where lambda is 0.
    """

    delta_norm: float
    delta_bound: float | None
    mean_degrees: float
    worst_degrees: float


def drift_of(problem: Problem, solution: Solution, before_MD: Tensor, after_MD: Tensor) -> Drift:
    """Return the drift of outputs (M, D) of images that the problem need not know."""
    angle = angles(before_MD, after_MD)
    bound = problem.residual_nD.norm().item() / math.sqrt(len(problem) * problem.ridge) if problem.ridge else None
    return Drift(solution.delta_P.norm().item(), bound, angle.mean().item(), angle.max().item())


def move_bound(rows_SP: Tensor, delta_norm: float, queries: int) -> Tensor:
    """Return ||J_x||_F ||dw|| (M,) of M queries from their rows of the Jacobian: ||f(x) - f0(x)|| is at most that."""
    bound_M: Tensor = torch.unflatten(rows_SP, 0, (queries, -1)).flatten(1).norm(dim=1) * delta_norm
    return bound_M


def angles(a_MD: Tensor, b_MD: Tensor) -> Tensor:
    """Return the angle in degrees between rows (M,).

    >>> round(angles(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])).item(), 6)
    90.0
    """
    unit = [torch.nn.functional.normalize(x.double(), dim=1) for x in (a_MD, b_MD)]
    half = (unit[0] - unit[1]).norm(dim=1) / 2  # exact for small angles, where a cosine is not
    return torch.rad2deg(2 * torch.arcsin(half.clamp(max=1)))
