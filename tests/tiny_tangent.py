"""Small networks in double precision, with statistics and affine parts that are not those of an untrained net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hetvs.linear.network import Linearised
from hetvs.linear.problem import Problem
from hetvs.models.backbones import build_backbone
from hetvs.models.edgenet import Shortcut
from hetvs.models.embedder import Embedder
from hetvs.preprocess import Preprocess


def seasoned(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give every batch norm statistics and an affine part, as after training; eval mode, double precision."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
                nn.init.normal_(module.bias, 0, 0.2, generator=generator)
    return model.eval().double()


def embedder_of(name: str, options: Mapping[str, Any], size_px: int, dim: int = 4) -> Embedder:
    """Return a seasoned embedder on a backbone of hetvs.models."""
    torch.manual_seed(0)
    backbone = build_backbone(name, options, size_px)
    embedder = seasoned(Embedder(backbone.trunk, backbone.features, dim, backbone.preprocess))
    assert isinstance(embedder, Embedder)
    return embedder


def small_embedder(dim: int = 3, activation: type[nn.Module] = nn.LeakyReLU) -> Embedder:
    """Return a net of a few hundred weights: a convolution, a grouped one in a shortcut, a norm, a mean."""
    torch.manual_seed(0)
    block = Shortcut(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=2), activation()))
    trunk = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), activation(), block,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip
    embedder = seasoned(Embedder(trunk, 4, dim, Preprocess(size_px=8)))
    assert isinstance(embedder, Embedder)
    return embedder


def pixels_of(images: int, size_px: int = 8, seed: int = 0) -> Tensor:
    """Return random pixels (n, 3, S, S) uint8."""
    return torch.randint(0, 256, (images, 3, size_px, size_px), generator=torch.Generator().manual_seed(seed)).byte()


def small_problem(images: int = 12, dim: int = 3, *, layers: int = 0, ridge: float = 0.05) -> Problem:
    """Return a problem of random targets on the small net."""
    net = Linearised(small_embedder(dim), layers=layers)
    target_nD = torch.randn(images, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Problem.of(net, net.prefix(pixels_of(images)), target_nD, ridge, batch=8)
