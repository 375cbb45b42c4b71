"""A point of the front is fitted anew: statistics and a projection of its own, where those it had serve many paths.

Both are computed and not trained: the statistics of all training images instead of a few hundred, then least squares
from the features to the teacher's vectors, drawn towards the shared projection instead of towards zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from hetvs.encoders import Encoder, batches, embed
from hetvs.manifest import Manifest
from hetvs.models.embedder import Embedder
from hetvs.nas.recalibration import recalibrate
from hetvs.training.ridge import PAIRS, ridge
from hetvs.training.validation import read_pixels

BATCH = 128
PRIOR = 64  # images, that the shared projection weighs as much as


@dataclass(frozen=True)
class Targets:
    """Training images, at most 20,000, and the teacher's vectors (n, D) of them."""

    manifest: Manifest
    rows: np.ndarray
    vectors_nD: Tensor
    _pixels: dict[int, list[Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest, where: str, teacher: Encoder) -> Targets:
        """Let the teacher embed the training images that `where` leaves."""
        rows = np.random.Generator(np.random.Philox(key=[0, 0])).permutation(manifest.rows("train", where))[:PAIRS]
        vectors_nD = embed(teacher, manifest, batches(rows, BATCH)).vectors_ND
        return cls(manifest, rows, torch.from_numpy(vectors_nD))

    def refit(self, model: Embedder, size_px: int) -> None:
        """Give `model`, in place, the batch-norm statistics and the projection of these images at its input size.

        It is left in eval mode; ManifestError for an image that cannot be read.
        """
        pixels = self.pixels(size_px)
        recalibrate(model, pixels)
        with torch.inference_mode():
            features_nH = torch.cat([model.features(chunk) for chunk in pixels])
        refit(model, features_nH, self.vectors_nD)

    def pixels(self, size_px: int) -> list[Tensor]:
        """Return the images in batches (B, 3, S, S) uint8 as evaluation sees them; read once for each size."""
        if size_px not in self._pixels:
            chunks = [read_pixels(self.manifest, rows, size_px) for rows in batches(self.rows, BATCH)]
            self._pixels[size_px] = [torch.from_numpy(chunk) for chunk in chunks]
        return self._pixels[size_px]


def refit(model: Embedder, features_nH: Tensor, vectors_nD: Tensor, prior: float = PRIOR) -> None:
    """Add to the projection of `model` the ridge from features (n, D_h) to what it misses of the unit vectors (n, D).

    The vectors are asked for at the mean length that the projection gives, because only directions are compared.
    The penalty is that of `prior` images, so that few images move little (chosen on val at 640 to 6,605 images).
    """
    with torch.no_grad():
        raw_nD = model.projection(features_nH)
        length = raw_nD.norm(dim=1).mean()
        weight, bias = ridge(features_nH, length * vectors_nD - raw_nD, prior / len(features_nH))
        model.projection.weight.add_(weight)
        model.projection.bias.add_(bias)
