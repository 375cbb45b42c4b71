"""The exact solution for few images: the Gram matrix of the Jacobian, leaving one out, taking one away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from hetvs.errors import ConfigError
from hetvs.linear.network import Linearised
from hetvs.linear.problem import Problem, Solution, is_head_only
from hetvs.linear.tape import one_hot_cotangents, watch

MOST_ROWS = 8192
BUDGET_BYTES = 4 << 30
RIDGES = tuple(10.0**power for power in range(-4, 4))  # shares of the mean diagonal that leave-one-out chooses from


def jacobian(net: Linearised, prefix_n: Tensor, batch: int) -> Tensor:
    """Return the rows of J: (n D, P), image by image; (n, D_h + 1) where the projection alone adapts.

    There every output has the same row, (features, 1), and J is its Kronecker product with I_D.
    ConfigError when it does not fit the memory.
    """
    dim = net.projection.out_features
    if is_head_only(net):
        return torch.cat([prefix_n.flatten(1).double(), torch.ones(len(prefix_n), 1, dtype=torch.float64)], dim=1)
    rows = len(prefix_n) * dim
    if rows > MOST_ROWS or rows * net.size * 8 > BUDGET_BYTES:
        raise ConfigError(
            f"the dual of {len(prefix_n)} images x {dim} outputs x {net.size:,} weights is too large; "
            "take --solver cg, fewer images, or --layers 1"
        )
    parts = []
    for part in torch.split(prefix_n, batch):
        seen = watch(net, part, one_hot_cotangents(len(part), part, dim))
        rows_DBP = torch.stack([torch.cat([layer.gradients().double() for layer in layers], dim=1) for layers in seen])
        parts.append(rows_DBP.transpose(0, 1).flatten(0, 1))
    return torch.cat(parts)


@dataclass(frozen=True)
class Dual:
    """The quadratic in the space of its n images: c = (J J^T + n lambda I)^-1 r, dw = J^T c.

    `rows_RP` are those of `jacobian`, `residual_RK` is r in their shape: R = n D and K = 1, or R = n
    and K = D. `gram` is Theta = J J^T.
    """

    rows_RP: Tensor
    residual_RK: Tensor
    gram: Tensor
    images: int
    ridge: float

    @classmethod
    def of(cls, problem: Problem) -> Dual:
        """Return the dual of a problem; ConfigError when it is too large."""
        rows_RP = jacobian(problem.net, problem.prefix_n, problem.batch)
        residual_RK = problem.residual_nD.reshape(len(rows_RP), -1)
        return cls(rows_RP, residual_RK, rows_RP @ rows_RP.T, len(problem), problem.ridge)

    @cached_property
    def inverse(self) -> Tensor:
        """(Theta + n lambda I)^-1."""
        eye = torch.eye(len(self.gram), dtype=torch.float64)
        root = torch.linalg.cholesky(self.gram + self.images * self.ridge * eye)
        return torch.cholesky_inverse(root)

    @cached_property
    def coefficients(self) -> Tensor:
        """c."""
        return self.inverse @ self.residual_RK

    @property
    def mean_diagonal(self) -> float:
        """The mean diagonal of J^T J / n."""
        return (self.rows_RP.square().sum() / (self.images * self.rows_RP.shape[1])).item()

    def solution(self, coefficients_RK: Tensor | None = None) -> Solution:
        """Return dw, of `coefficients_RK` instead of c if given."""
        c = self.coefficients if coefficients_RK is None else coefficients_RK
        dw_PK = self.rows_RP.T @ c
        flat = torch.cat([dw_PK[:-1].T.flatten(), dw_PK[-1]]) if dw_PK.shape[1] > 1 else dw_PK.flatten()
        right = self.rows_RP.T @ self.residual_RK / self.images
        left = self.rows_RP.T @ (self.gram @ c) / self.images + self.ridge * dw_PK
        scale = right.norm().item()
        return Solution(flat, "dual", 1, ((left - right).norm().item() / scale if scale else 0.0,))

    def left_out_residuals(self) -> Tensor:
        """Return r_i - J_i dw_(-i) as (n, D): what each image says of the solution without it (n lambda held)."""
        blocks_nqq = self._blocks(self.inverse)
        left_nqK: Tensor = torch.linalg.solve(blocks_nqq, torch.unflatten(self.coefficients, 0, (self.images, -1)))
        return left_nqK.flatten(1)

    def without(self, images: Sequence[int]) -> Tensor:
        """Return c of the problem without some of its images, n lambda held: theirs are zero."""
        q = len(self.rows_RP) // self.images
        gone = torch.cat([torch.arange(i * q, (i + 1) * q) for i in images])
        c = self.coefficients
        away = torch.linalg.solve(self.inverse[gone][:, gone], c[gone])
        left: Tensor = c - self.inverse[:, gone] @ away
        left[gone] = 0
        return left

    def influences(self, rows_SP: Tensor) -> Tensor:
        """Return (n, M, D): how the outputs of M queries change when each image is taken away.

        `rows_SP` are the queries' rows of the Jacobian.
        """
        kernel_SR = rows_SP @ self.rows_RP.T
        columns_SnQ = torch.unflatten(kernel_SR @ self.inverse, 1, (self.images, -1))
        away_nQK = torch.linalg.solve(
            self._blocks(self.inverse), torch.unflatten(self.coefficients, 0, (self.images, -1))
        )
        change_nSK = -torch.einsum("snq,nqk->nsk", columns_SnQ, away_nQK)
        queries = len(rows_SP) * self.residual_RK.shape[1] // self.dim
        return change_nSK.reshape(self.images, queries, self.dim)

    @property
    def dim(self) -> int:
        """D."""
        return self.residual_RK.numel() // self.images

    def _blocks(self, matrix_RR: Tensor) -> Tensor:
        """Return the diagonal blocks (n, q, q), one an image."""
        q = len(matrix_RR) // self.images
        return torch.stack([matrix_RR[i * q : (i + 1) * q, i * q : (i + 1) * q] for i in range(self.images)])


def choose_ridge(dual: Dual, shares: Sequence[float] = RIDGES) -> tuple[float, dict[float, float]]:
    """Return the lambda of the least mean squared left-out residual, and that mean by share of the mean diagonal."""
    errors = {}
    for share in shares:
        tried = replace(dual, ridge=share * dual.mean_diagonal)
        errors[share] = tried.left_out_residuals().square().mean().item()
    best = min(errors, key=errors.__getitem__)
    return best * dual.mean_diagonal, errors
