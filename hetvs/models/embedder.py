"""The embedder: pixels -> normalise -> trunk -> linear projection -> unit norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.preprocess import Preprocess


class Embedder(nn.Module):
    """Maps (B, 3, S, S) RGB pixels in 0..255, uint8 or float, to (B, D) unit vectors.

    The projection is the last layer and linear, because a signed space cannot be reached through a
    ReLU; it ships with the model. Mean and std are buffers, so that they are inside every export.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: nn.Module, features: int, dim: int, preprocess: Preprocess) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, 3, 1, 1), persistent=False)
        self.trunk = trunk
        self.projection = nn.Linear(features, dim)

    def features(self, pixels: Tensor) -> Tensor:
        """Return the pooled trunk features (B, D_h)."""
        features: Tensor = self.trunk((pixels.float() - self.mean) / self.std)
        return features

    def place(self, features: Tensor) -> Tensor:
        """Return unit vectors (B, D) of trunk features (B, D_h)."""
        return F.normalize(self.projection(features).float(), dim=-1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return unit vectors (B, D)."""
        return self.place(self.features(pixels))
