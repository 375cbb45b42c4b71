"""A point of the front is fitted anew: statistics and a projection of its own, where those it had serve many paths.

Both are computed and not trained: the statistics of all training images instead of a few hundred, then least squares
from the features to the teacher's vectors, drawn towards the shared projection instead of towards zero.
"""

from __future__ import annotations

from dataclasses import dataclass

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

    @classmethod
    def of(cls, manifest: Manifest, where: str, teacher: Encoder) -> Targets:
        """Let the teacher embed the training images that `where` leaves."""
        rows = np.random.Generator(np.random.Philox(key=[0, 0])).permutation(manifest.rows("train", where))[:PAIRS]
        vectors_nD = embed(teacher, manifest, batches(rows, BATCH)).vectors_ND
        return cls(manifest, rows, torch.from_numpy(vectors_nD))

    def refit(self, model: Embedder, size_px: int) -> None:
        """Give `model` the batch-norm statistics and the projection of these images at its input size."""
        pixels = [torch.from_numpy(read_pixels(self.manifest, rows, size_px)) for rows in batches(self.rows, BATCH)]
        recalibrate(model, pixels)
        with torch.inference_mode():
            features_nH = torch.cat([model.features(chunk) for chunk in pixels])
        refit(model, features_nH, self.vectors_nD)


def refit(model: Embedder, features_nH: Tensor, vectors_nD: Tensor, prior: float = PRIOR) -> None:
    """Add to the projection of `model` the ridge from features to what it misses of the unit vectors.

    The vectors are asked for at the mean length that the projection gives, because only directions are compared.
    The penalty is that of `prior` images, so that few images move little (chosen on val at 640 to 6,605 images).
    """
    with torch.no_grad():
        raw_nD = model.projection(features_nH)
        length = raw_nD.norm(dim=1).mean()
        weight, bias = ridge(features_nH, length * vectors_nD - raw_nD, prior / len(features_nH))
        model.projection.weight.add_(weight)
        model.projection.bias.add_(bias)
