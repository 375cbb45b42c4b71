"""The quadratic: 1/(2n) sum ||J_i dw - r_i||^2 + lambda/2 ||dw||^2, by its products alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hetvs.linear.network import PROJECTION, Linearised

Apply = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Problem:
    """A linearised network, the prefixes of its n images, r = y - f0 (n, D) in float64, and lambda.

    Vectors are float64; the network runs in its own precision. `batch` images run at once.
    """

    net: Linearised
    prefix_n: Tensor
    residual_nD: Tensor
    ridge: float
    batch: int = 64

    @classmethod
    def of(cls, net: Linearised, prefix_n: Tensor, target_nD: Tensor, ridge: float, batch: int = 64) -> Problem:
        """Return the problem whose targets are y (n, D)."""
        return cls(net, prefix_n, target_nD.double() - outputs(net, prefix_n, batch), ridge, batch)

    def __len__(self) -> int:
        return len(self.prefix_n)

    def along(self, delta_P: Tensor, images: np.ndarray | slice = slice(None)) -> Tensor:
        """Return J dw (n, D) of all images, or of those chosen."""
        return tangents(self.net, self.prefix_n[images], delta_P, self.batch)

    def back(self, cotangent_nD: Tensor, images: np.ndarray | slice = slice(None)) -> Tensor:
        """Return J^T u (P,): the gradient of sum <u, f0> in the adapted weights."""
        prefix_n = self.prefix_n[images]
        weights = [p for layer in self.net.layers().values() for p in layer.parameters()]
        total = torch.zeros(self.net.size, dtype=torch.float64)
        for part, v in zip(torch.split(prefix_n, self.batch), torch.split(cotangent_nD, self.batch), strict=True):
            gradients = torch.autograd.grad(self.net.plain(part), weights, v.to(part.dtype))
            total += torch.cat([g.flatten() for g in gradients]).double()
        return total

    def hessian(self, vector_P: Tensor, images: np.ndarray | slice = slice(None)) -> Tensor:
        """Return (J^T J / n + lambda I) v (P,), of all images or of those chosen."""
        along = self.along(vector_P, images)
        return self.back(along, images) / len(along) + self.ridge * vector_P

    def right_side(self) -> Tensor:
        """Return b = J^T r / n (P,): the optimum solves hessian(dw) = b."""
        return self.back(self.residual_nD) / len(self)

    def loss(self, delta_P: Tensor) -> float:
        """Return the objective at dw."""
        missing = self.along(delta_P) - self.residual_nD
        return (missing.square().sum() / (2 * len(self)) + self.ridge / 2 * delta_P.square().sum()).item()


@dataclass(frozen=True)
class Solution:
    """dw (P,) in float64, how it was found, and how far it is from the optimum.

    `residuals` are ||b - H dw|| / ||b|| of the normal equations, one per step (CG) or pass (SGD), the
    last one that of `delta_P`.
    """

    delta_P: Tensor
    solver: str
    steps: int
    residuals: tuple[float, ...]


def outputs(net: Linearised, prefix_n: Tensor, batch: int) -> Tensor:
    """Return f0 (n, D) in float64."""
    with torch.no_grad():
        return torch.cat([net.plain(part).double() for part in torch.split(prefix_n, batch)])


def tangents(net: Linearised, prefix_n: Tensor, delta_P: Tensor, batch: int) -> Tensor:
    """Return J dw (n, D) in float64; the network keeps this dw."""
    net.set_delta(delta_P)
    with torch.no_grad():
        return torch.cat([net(part)[1].double() for part in torch.split(prefix_n, batch)])


def is_head_only(net: Linearised) -> bool:
    """Whether the projection alone adapts: then the features are the whole problem, and the delta merges exactly."""
    return list(net.layers()) == [PROJECTION]
