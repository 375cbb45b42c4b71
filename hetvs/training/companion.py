"""A small model that a teacher stays close to, so that its space is within a student's reach.

Fine-tuned from large pretrained features alone, a teacher is far better than any small student and
places images by differences that no small student can see. Held near the vectors of a small model
that was trained on the same labels, it keeps most of its lead and can be followed. This is
backward-compatible training (Shen et al., arXiv 2003.11942) with the companion as the old model;
the distance term is that of BT^2 (arXiv 2211.03989).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hetvs.errors import ConfigError
from hetvs.losses.anchor import anchor
from hetvs.models.embedder import Embedder
from hetvs.models.storage import Prototypes, load_prototypes, load_run
from hetvs.training.augment import downscale
from hetvs.training.run import to_device


@dataclass(frozen=True)
class Companion:
    """A frozen run, the side of its input, and its prototypes where it has some."""

    embedder: Embedder
    size_px: int
    prototypes: Prototypes | None

    @classmethod
    def load(cls, run: Path, dim: int, device: str) -> Companion:
        """Load the run; ConfigError when its vectors have another dimension than the teacher's."""
        embedder, card = load_run(run)
        if card.dim != dim:
            raise ConfigError(f"companion {run} has {card.dim} dimensions, the teacher {dim}; set dim = {card.dim}")
        return cls(to_device(embedder.requires_grad_(False), device), card.preprocess.size_px, load_prototypes(run))

    def distance(self, vectors_BD: Tensor, pixels: Tensor) -> Tensor:
        """Return the mean of 1 - cos between the teacher's vectors and ours of the same (B, 3, S, S) crops."""
        with torch.no_grad():
            ours_BD = self.embedder(downscale(pixels, self.size_px).to(vectors_BD.device))
        return anchor(vectors_BD, ours_BD)
