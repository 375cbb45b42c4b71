"""K-FAC for a constant Hessian: per layer and group A (inputs) and G (output gradients), once, at w0.

Martens and Grosse, ICML 2015, arXiv 1503.05671; Grosse and Martens, ICML 2016, arXiv 1602.01407 (convolutions).
Cotangents are Gaussian, or every unit vector: that makes G the exact Gauss-Newton factor of 1/2 MSE.
With label gradients it would be the empirical Fisher, another matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hetvs.linear.network import Linearised
from hetvs.linear.tape import Seen, one_hot_cotangents, watch

EVERY_OUTPUT = 16  # outputs up to which each unit vector is asked, instead of Gaussian draws
DRAWS = 2  # Gaussian cotangents an image, above that
DAMPING = 1e-3  # of a layer, as a share of its mean curvature, on top of lambda
LEAST_TRACE = 1e-30


@dataclass(frozen=True)
class Factor:
    """The curvature of one layer, A kron G in each group: A (g, d, d) and G (g, o, o), float64."""

    name: str
    a_gdd: Tensor
    g_goo: Tensor


def factor_of(batches: list[Seen]) -> Factor:
    """Return the factors of one layer from what it saw, one entry a batch and cotangent of weight 1.

    A = sum_nT a a^T / n and G = sum_nT g g^T / (n T). Where g is the same at every place (only a mean
    follows), a is averaged and g summed over places first, which is exact.
    """
    pooled = all(bool((seen.slope_BgoT == seen.slope_BgoT[..., :1]).all()) for seen in batches)
    images = sum(len(seen.input_BgdT) for seen in batches)
    a_parts, g_parts = [], []
    for seen in batches:
        a, g = seen.input_BgdT.double(), seen.slope_BgoT.double()
        if pooled:
            a, g = a.mean(-1, keepdim=True), g.sum(-1, keepdim=True)
        a_parts.append(torch.einsum("bgdt,bget->gde", a, a) / images)
        g_parts.append(torch.einsum("bgot,bgpt->gop", g, g) / (images * g.shape[-1]))
    return Factor(batches[0].name, torch.stack(a_parts).sum(0), torch.stack(g_parts).sum(0))


def gather_factors(net: Linearised, prefix_n: Tensor, *, seed: int, batch: int) -> list[Factor]:
    """Return a factor per adapted layer, the projection last, over the n images of `prefix_n`."""
    generator = torch.Generator().manual_seed(seed)
    dim = net.projection.out_features
    draws = dim if dim <= EVERY_OUTPUT else DRAWS
    sums: list[Factor] = []
    for part in torch.split(prefix_n, batch):
        cotangents = _cotangents(len(part), dim, part, generator)
        for seen in watch(net, part, cotangents):
            weight = len(part) / (len(prefix_n) * draws)
            found = [factor_of([layer]) for layer in seen]
            # Gaussian draws are averaged; unit vectors are summed: together they are the identity.
            g_weight = weight * (dim if dim <= EVERY_OUTPUT else 1)
            shares = [Factor(f.name, f.a_gdd * weight, f.g_goo * g_weight) for f in found]
            sums = shares if not sums else [
                Factor(s.name, s.a_gdd + f.a_gdd, s.g_goo + f.g_goo) for s, f in zip(sums, shares, strict=True)
            ]  # fmt: skip
    return sums


def mean_diagonal(net: Linearised, prefix_n: Tensor, *, batch: int) -> float:
    """Return the mean diagonal of J^T J / n, the scale of lambda.

    Exact up to `EVERY_OUTPUT` outputs, else by Gaussian cotangents of a fixed seed: lambda depends on
    no seed of a run.
    """
    generator = torch.Generator().manual_seed(0)
    dim = net.projection.out_features
    total = 0.0
    for part in torch.split(prefix_n, batch):
        for seen in watch(net, part, _cotangents(len(part), dim, part, generator)):
            total += sum(layer.gradients().double().square().sum().item() for layer in seen)
    return total / (len(prefix_n) * net.size * (1 if dim <= EVERY_OUTPUT else DRAWS))


def _cotangents(images: int, dim: int, like: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    if dim <= EVERY_OUTPUT:
        return one_hot_cotangents(images, like, dim)
    return (torch.randn(images, dim, generator=generator, dtype=like.dtype) for _ in range(DRAWS))


def damped(a_dd: Tensor, g_oo: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return A + pi sqrt(eps) I and G + sqrt(eps) / pi I, pi^2 = mean eigenvalue of A over that of G.

    >>> a, g = damped(4 * torch.eye(2), torch.eye(3), 0.01)
    >>> round(a[0, 0].item(), 4), round(g[0, 0].item(), 4)
    (4.2, 1.05)
    """
    mean_a, mean_g = _mean_trace(a_dd), _mean_trace(g_oo)
    pi = math.sqrt(max(mean_a, LEAST_TRACE) / max(mean_g, LEAST_TRACE))
    root = math.sqrt(epsilon)
    eye = [torch.eye(len(m), dtype=m.dtype) for m in (a_dd, g_oo)]
    return a_dd + pi * root * eye[0], g_oo + root / pi * eye[1]


def _mean_trace(matrix: Tensor) -> float:
    return matrix.diagonal().mean().item()


class Preconditioner:
    """Applies the inverse of the damped factors (final); constant, symmetric, positive: fit for CG."""

    def __init__(self, net: Linearised, factors: list[Factor], ridge: float) -> None:
        self._layers = list(net.layers().values())
        self._roots = [_roots(factor, ridge) for factor in factors]

    def __call__(self, vector_P: Tensor) -> Tensor:
        """Return G^-1 M A^-1 for the matrix M of every layer and group, as (P,)."""
        parts, start = [], 0
        for layer, (root_a, root_g) in zip(self._layers, self._roots, strict=True):
            groups, outputs = root_g.shape[:2]
            weight, bias = layer.weight, layer.bias
            w = vector_P[start : start + weight.numel()].view(groups, outputs, -1)
            start += weight.numel()
            if bias is not None:
                w = torch.cat([w, vector_P[start : start + bias.numel()].view(groups, outputs, 1)], dim=2)
                start += bias.numel()
            w = torch.cholesky_solve(w, root_g)
            w = torch.cholesky_solve(w.mT, root_a).mT
            parts += [w.flatten()] if bias is None else [w[..., :-1].flatten(), w[..., -1].flatten()]
        return torch.cat(parts)


def _roots(factor: Factor, ridge: float) -> tuple[Tensor, Tensor]:
    """Return the Cholesky roots of every group's damped factors."""
    share = factor.a_gdd.diagonal(dim1=1, dim2=2).mean(1) * factor.g_goo.diagonal(dim1=1, dim2=2).mean(1)
    epsilon = ridge + DAMPING * max(share.mean().item(), LEAST_TRACE)
    pairs = [damped(a, g, epsilon) for a, g in zip(factor.a_gdd, factor.g_goo, strict=True)]
    a, g = (torch.stack(matrices) for matrices in zip(*pairs, strict=True))
    return torch.linalg.cholesky(a), torch.linalg.cholesky(g)
