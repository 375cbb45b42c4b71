"""A model whose vector is the sum of those of several models of one space: the gallery side of a search.

A gallery is embedded once, so its model may hold a small model beside the large one. Where the small
one errs in its own way, the sum leans the same way, and queries of its kind find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.artifacts import ModelCard
from hetvs.models.embedder import Embedder

FUSED = "fused"  # the id of the backbone that `hetvs fuse` writes


class Shrink(nn.Module):
    """Resizes square images by two matrix products: bilinear with antialias, as `training.augment.downscale` does.

    A product of matrices runs in every runtime; a resize operator with antialias does not.
    """

    rows_st: Tensor

    def __init__(self, from_px: int, to_px: int) -> None:
        super().__init__()
        eye = torch.eye(from_px)[None, None]
        rows = F.interpolate(eye, size=(to_px, from_px), mode="bilinear", antialias=True)[0, 0]
        self.register_buffer("rows_st", rows, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B, 3, s, s) float of (B, 3, S, S)."""
        return self.rows_st @ pixels @ self.rows_st.T


class FusedTrunk(nn.Module):
    """The weighted sum of the unit vectors of embedders of one space, each at an input size of its own."""

    def __init__(self, members: Sequence[Embedder], sizes_px: Sequence[int], weights: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        largest = max(sizes_px)
        self.shrinks = nn.ModuleList(nn.Identity() if px == largest else Shrink(largest, px) for px in sizes_px)
        self.weights = tuple(weights)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B, D), not of unit length, of RGB pixels 0..255 at the largest of the sizes."""
        parts = zip(self.members, self.shrinks, self.weights, strict=True)
        return torch.stack([weight * member(shrink(pixels)) for member, shrink, weight in parts]).sum(0)


def member_options(card: ModelCard) -> dict[str, Any]:
    """Return what a card must hold of a member, so that its network can be built again."""
    return {
        "backbone": card.backbone,
        "backbone_options": card.backbone_options,
        "size_px": card.preprocess.size_px,
        "dim": card.dim,
    }
