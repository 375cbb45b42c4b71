"""The inverse of Kronecker factors, damped exactly or split between them: constant, symmetric, positive, fit for CG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hetvs.linear.factors import Factor
from hetvs.linear.network import Linearised
from hetvs.linear.problem import Apply

DAMPING = 1e-3  # of a layer, as a share of its mean curvature, on top of lambda, where it is split
LEAST = 1e-12  # of a layer's largest curvature, where lambda is less
LEAST_TRACE = 1e-30


def exactly(factor: Factor, ridge: float) -> Apply:
    """Return M -> (G kron A + lambda I)^-1 M for matrices (g, o, d), in the eigenbases of the factors.

    Where one layer adapts and G is the identity this is the inverse of the very Hessian.
    """
    (value_gd, basis_gdd), (value_go, basis_goo) = (torch.linalg.eigh(side) for side in (factor.a_gdd, factor.g_goo))
    curvature_god = value_go.clamp(min=0)[:, :, None] * value_gd.clamp(min=0)[:, None]
    damped_god = curvature_god + max(ridge, LEAST * curvature_god.max().item(), LEAST_TRACE)
    return lambda m_god: basis_goo @ ((basis_goo.mT @ m_god @ basis_gdd) / damped_god) @ basis_gdd.mT


def by_split(factor: Factor, ridge: float) -> Apply:
    """Return M -> G^-1 M A^-1 with lambda, and a share of the layer's mean curvature, split between the factors.

    As in Martens and Grosse, section 6.3; by Cholesky roots, kept.
    """
    share = factor.a_gdd.diagonal(dim1=1, dim2=2).mean(1) * factor.g_goo.diagonal(dim1=1, dim2=2).mean(1)
    epsilon = ridge + DAMPING * max(share.mean().item(), LEAST_TRACE)
    pairs = [damped(a, g, epsilon) for a, g in zip(factor.a_gdd, factor.g_goo, strict=True)]
    root_a, root_g = (torch.linalg.cholesky(torch.stack(matrices)) for matrices in zip(*pairs, strict=True))
    return lambda m_god: torch.cholesky_solve(torch.cholesky_solve(m_god, root_g).mT, root_a).mT


DAMPINGS: dict[str, Callable[[Factor, float], Apply]] = {"exact": exactly, "split": by_split}


def damped(a_dd: Tensor, g_oo: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return A + pi sqrt(eps) I and G + sqrt(eps) / pi I, pi^2 = mean eigenvalue of A over that of G.

    >>> a, g = damped(4 * torch.eye(2), torch.eye(3), 0.01)
    >>> round(a[0, 0].item(), 4), round(g[0, 0].item(), 4)
    (4.2, 1.05)
    """
    mean_a, mean_g = (max(matrix.diagonal().mean().item(), LEAST_TRACE) for matrix in (a_dd, g_oo))
    pi, root = math.sqrt(mean_a / mean_g), math.sqrt(epsilon)
    eye = [torch.eye(len(matrix), dtype=matrix.dtype) for matrix in (a_dd, g_oo)]
    return a_dd + pi * root * eye[0], g_oo + root / pi * eye[1]


class Preconditioner:
    """Applies the inverse of every layer's damped factors to its part of a vector (final)."""

    def __init__(self, net: Linearised, factors: Sequence[Factor], ridge: float, damping: str = "exact") -> None:
        self._layers = list(net.layers().values())
        self._shapes = [(len(f.g_goo), f.g_goo.shape[1]) for f in factors]
        self._inverses = [DAMPINGS[damping](factor, ridge) for factor in factors]

    def __call__(self, vector_P: Tensor) -> Tensor:
        """Return the preconditioned vector (P,)."""
        parts, start = [], 0
        for layer, shape, inverse in zip(self._layers, self._shapes, self._inverses, strict=True):
            weight, bias = layer.weight, layer.bias
            m_god = vector_P[start : start + weight.numel()].view(*shape, -1)
            start += weight.numel()
            if bias is not None:
                m_god = torch.cat([m_god, vector_P[start : start + bias.numel()].view(*shape, 1)], dim=2)
                start += bias.numel()
            m_god = inverse(m_god)
            parts += [m_god.flatten()] if bias is None else [m_god[..., :-1].flatten(), m_god[..., -1].flatten()]
        return torch.cat(parts)
