"""Smaller or earlier models that a teacher stays close to, so that its space is within a student's reach.

Fine-tuned from large pretrained features alone, a teacher is far better than any small student and
places images by differences that no small student can see. Held near the vectors of a small model
of the same images, it keeps its lead and can be followed. This is backward-compatible training
(Shen et al., arXiv 2003.11942) with the companion as the old model; the distance term is that of
BT^2 (arXiv 2211.03989). Several companions are an ensemble, which retrieves better than any of its
members, and which the teacher learns to be in one network (as ELODI's reference, arXiv 2205.06265).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
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
    def load(cls, run: Path, device: str) -> Companion:
        """Load a finished run."""
        embedder, card = load_run(run)
        return cls(to_device(embedder.requires_grad_(False), device), card.preprocess.size_px, load_prototypes(run))

    @torch.no_grad()
    def vectors(self, pixels: Tensor) -> Tensor:
        """Return our unit vectors (B, D) of (B, 3, S, S) crops of any size."""
        seen: Tensor = self.embedder(downscale(pixels, self.size_px).to(next(self.embedder.parameters()).device))
        return seen


@dataclass(frozen=True)
class Companions:
    """One companion in its own space, or several in a common one: their vectors side by side, rotated and cut to D.

    `basis_ED` is that rotation, E the sum of their dimensions; None takes a single companion as it is.
    """

    members: tuple[Companion, ...]
    basis_ED: Tensor | None = None

    @classmethod
    def load(cls, runs: Sequence[Path], dim: int, device: str) -> Companions:
        """Load the runs.

        ConfigError when a single one has another dimension than the teacher's, or several have fewer together.
        """
        members = tuple(Companion.load(run, device) for run in runs)
        width = sum(member.embedder.projection.out_features for member in members)
        if len(members) == 1 and width != dim:
            raise ConfigError(f"companion {runs[0]} has {width} dimensions, the teacher {dim}; set dim = {width}")
        if width < dim:
            raise ConfigError(f"the companions have {width} dimensions together, the teacher {dim}; lower dim")
        return cls(members)

    @property
    def prototypes(self) -> Prototypes | None:
        """The prototypes of a single companion, where it has some."""
        return self.members[0].prototypes if len(self.members) == 1 else None

    def together(self, pixels: Tensor) -> Tensor:
        """Return the members' vectors of (B, 3, S, S) crops side by side (B, E)."""
        return torch.cat([member.vectors(pixels) for member in self.members], dim=1)

    def fitted(self, together_nE: Tensor, dim: int) -> Companions:
        """Return companions whose common space keeps most of what these rows (n, E) hold: uncentred SVD, cut to D.

        Needs n >= D rows.
        """
        basis = torch.linalg.svd(together_nE, full_matrices=False).Vh[:dim].T
        return replace(self, basis_ED=basis.contiguous())

    def to(self, device: torch.device) -> Companions:
        """Return companions whose basis is on `device`, where the members are."""
        return replace(self, basis_ED=None if self.basis_ED is None else self.basis_ED.to(device))

    def place(self, together_BE: Tensor) -> Tensor:
        """Return unit vectors (B, D) in the common space."""
        return together_BE if self.basis_ED is None else F.normalize(together_BE @ self.basis_ED, dim=1)

    def distance(self, vectors_BD: Tensor, pixels: Tensor) -> Tensor:
        """Return the mean of 1 - cos between the teacher's vectors and ours of the same crops."""
        return anchor(vectors_BD, self.place(self.together(pixels)))
