"""Runs as classifiers of a closed set: images -> logits, of one run or of several by the mean of their logits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.errors import ArtifactError
from hetvs.manifest import Manifest
from hetvs.models.embedder import Embedder
from hetvs.models.storage import Prototypes, load_prototypes, load_run
from hetvs.preprocess import Preprocess


@dataclass(frozen=True)
class Member:
    """A frozen run: its embedder, its input, its prototypes with the labels of the ensemble in their order."""

    embedder: Embedder
    preprocess: Preprocess
    prototypes: Prototypes

    @torch.no_grad()
    def logits(self, pixels: Tensor) -> Tensor:
        """Return s * cos to every prototype (B, C) of (B, 3, S, S) pixels at our own size."""
        device = next(self.embedder.parameters()).device
        vectors_BD: Tensor = self.embedder(pixels.to(device))
        return self.prototypes.scale * (vectors_BD @ self.prototypes.rows_CD.to(device).T)


@dataclass(frozen=True)
class Ensemble:
    """One run or several that know the same classes; they stay in eval mode, and their logits are averaged.

    Logits and not probabilities, as in ELODI (Zhao et al., arXiv 2205.06265); equal members are one.
    """

    name: str
    members: tuple[Member, ...]
    labels: tuple[str, ...]

    @classmethod
    def load(cls, runs: Sequence[Path], device: str = "cpu") -> Ensemble:
        """Load finished runs; ArtifactError for one without prototypes, or with other classes than the first."""
        members = [_load(run, device) for run in runs]
        labels = members[0].prototypes.labels
        for run, member in zip(runs, members, strict=True):
            if member.prototypes.labels != labels:
                raise ArtifactError(f"{run}: its classes are not those of {runs[0]}; name runs of the same classes")
        return cls(" + ".join(run.name for run in runs), tuple(members), labels)

    def answers(self, manifest: Manifest, batches: Iterable[np.ndarray]) -> np.ndarray:
        """Return the logits (n, C) float32 of whole images, for arrays of row numbers of `manifest`."""
        found = []
        for batch in batches:
            seen = {m.preprocess.digest(): _read(manifest, batch, m.preprocess) for m in self.members}
            found.append(torch.stack([m.logits(seen[m.preprocess.digest()]) for m in self.members]).mean(0).cpu())
        logits_nC: np.ndarray = torch.cat(found).numpy()
        return logits_nC


def right_answers(logits_nC: np.ndarray, labels: Sequence[str], truth_n: np.ndarray) -> np.ndarray:
    """Return whether the first answer is the truth (n,); a class that is not in `labels` is never answered right.

    >>> right_answers(np.array([[1.0, 2.0], [3.0, 0.0]]), ("a", "b"), np.array(["b", "c"]))
    array([ True, False])
    """
    right: np.ndarray = np.array(labels)[logits_nC.argmax(axis=1)] == truth_n
    return right


def _load(run: Path, device: str) -> Member:
    embedder, card = load_run(run)
    prototypes = load_prototypes(run)
    if prototypes is None:
        raise ArtifactError(f"{run}: has no prototypes, so it names no class; give a run of `hetvs train-classifier`")
    return Member(embedder.requires_grad_(False).to(device), card.preprocess, prototypes)


def _read(manifest: Manifest, rows: np.ndarray, preprocess: Preprocess) -> Tensor:
    """Return (B, 3, S, S) uint8 pixels of whole images."""
    images = np.stack([preprocess.read(manifest.paths[row], manifest.box(row)) for row in rows])
    return torch.from_numpy(images).permute(0, 3, 1, 2)
