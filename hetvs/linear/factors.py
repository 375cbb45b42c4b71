"""K-FAC for a constant Hessian: per layer and group A (inputs) and G (output gradients), once, at w0.

Martens and Grosse, ICML 2015, arXiv 1503.05671; Grosse and Martens, ICML 2016, arXiv 1602.01407 (convolutions).
Cotangents have the identity as their mean outer product: that makes G the Gauss-Newton factor of 1/2 MSE.
With label gradients it would be the empirical Fisher, another matrix. How factors are inverted: `preconditioner`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hetvs.linear.network import Linearised
from hetvs.linear.tape import Seen, watch

EVERY_OUTPUT = 16  # outputs up to which each unit vector is asked, instead of Gaussian draws
DRAWS = 2  # cotangents an image, above that


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
    """Return a factor per adapted layer, the projection last, over the n images of `prefix_n`.

    G of the projection is known: the gradient of <v, f0> in its output is v itself.
    """
    cotangent_KnD = cotangents(len(prefix_n), net.projection.out_features, seed)
    sums: list[Factor] = []
    for part, v_KBD in zip(
        torch.split(prefix_n, batch), torch.split(cotangent_KnD.to(prefix_n.dtype), batch, 1), strict=True
    ):
        weight = len(part) / (len(prefix_n) * len(v_KBD))
        for seen in watch(net, part, iter(v_KBD)):
            found = [factor_of([layer]) for layer in seen]
            shares = [Factor(f.name, f.a_gdd * weight, f.g_goo * weight) for f in found]
            sums = shares if not sums else [
                Factor(s.name, s.a_gdd + f.a_gdd, s.g_goo + f.g_goo) for s, f in zip(sums, shares, strict=True)
            ]  # fmt: skip
    projection = sums[-1]
    return [*sums[:-1], replace(projection, g_goo=torch.eye(len(projection.g_goo[0]), dtype=torch.float64)[None])]


def mean_diagonal(net: Linearised, prefix_n: Tensor, *, batch: int) -> float:
    """Return the mean diagonal of J^T J / n, the scale of lambda.

    Exact up to `EVERY_OUTPUT` outputs, else by cotangents of a fixed seed: lambda depends on no seed of a run.
    """
    cotangent_KnD = cotangents(len(prefix_n), net.projection.out_features, 0).to(prefix_n.dtype)
    total = 0.0
    for part, v_KBD in zip(torch.split(prefix_n, batch), torch.split(cotangent_KnD, batch, 1), strict=True):
        for seen in watch(net, part, iter(v_KBD)):
            total += sum(layer.gradients().double().square().sum().item() for layer in seen)
    return total / (len(prefix_n) * net.size * len(cotangent_KnD))


def cotangents(images: int, dim: int, seed: int) -> Tensor:
    """Return K cotangents of each image (K, n, D), whose mean outer product is I.

    Every axis, or Gaussian directions made orthogonal to each other, D at a time, at the length sqrt(D):
    as isotropic, and with less noise in G than independent ones.

    >>> v = cotangents(5, 2, 0).flatten(0, 1)
    >>> bool(torch.allclose(v.T @ v / len(v), torch.eye(2).double()))
    True
    """
    if dim <= EVERY_OUTPUT:
        return math.sqrt(dim) * torch.eye(dim, dtype=torch.float64)[:, None].expand(-1, images, -1)
    generator = torch.Generator().manual_seed(seed)
    blocks = -(-DRAWS * images // dim)
    orthogonal: Tensor = torch.linalg.qr(torch.randn(blocks, dim, dim, generator=generator, dtype=torch.float64))[0]
    return math.sqrt(dim) * orthogonal.flatten(0, 1)[: DRAWS * images].view(DRAWS, images, dim)
