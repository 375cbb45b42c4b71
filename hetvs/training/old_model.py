"""The old model of an update, as far as it is still there: a run, an ONNX bundle, or nothing but its vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hetvs.artifacts import SpaceCard, is_bundle
from hetvs.contenders import Entrant
from hetvs.encoders import Encoder, batches, embed, open_encoder
from hetvs.errors import ArtifactError
from hetvs.losses import LOSSES
from hetvs.manifest import Manifest
from hetvs.models.storage import Prototypes, load_prototypes
from hetvs.progress import track
from hetvs.training.images import ImageStore

BATCH = 128


@dataclass(frozen=True)
class OldModel:
    """What is known of the old model: `encoder` is None when only vectors are left, `classifier` when it has none."""

    entrant: Entrant
    encoder: Encoder | None
    classifier: Prototypes | None

    @classmethod
    def open(cls, entrant: Entrant, threads: int) -> OldModel:
        """Open the model of a run or a bundle; there is none to open where only vectors are left."""
        if entrant.vectors is not None:
            return cls(entrant, None, None)
        classifier = None if is_bundle(entrant.folder) else load_prototypes(entrant.folder)
        return cls(entrant, open_encoder(entrant.folder, threads=threads), classifier)

    @property
    def space(self) -> SpaceCard:
        """The old space."""
        return self.entrant.seat[1]

    def vectors(self, manifest: Manifest, rows: np.ndarray) -> np.ndarray:
        """Return the unit vectors (n, D) of whole images, NaN in the rows of images that have none stored."""
        if self.encoder is not None:
            shown = track(batches(rows, BATCH), "embed with the old model")
            return embed(self.encoder, manifest, shown).vectors_ND
        stored = self.entrant.vectors
        assert stored is not None
        found = stored.rows_of(manifest.ids[rows].tolist())
        return np.where(found[:, None] >= 0, stored.vectors_ND[found], np.float32(np.nan))


class OldImages:
    """The train images of an update as the old model sees them; embedded when first asked for."""

    def __init__(self, old: OldModel, store: ImageStore) -> None:
        self.old, self.store = old, store
        self.labels = store.manifest.labels[store.rows]

    @cached_property
    def vectors(self) -> Tensor:
        """Unit vectors of the whole images, NaN where there is none."""
        return torch.from_numpy(self.old.vectors(self.store.manifest, self.store.rows))

    @cached_property
    def known(self) -> np.ndarray:
        """Positions of the images that have a label and an old vector; ArtifactError when there is none."""
        known = np.flatnonzero((self.labels != "") & ~np.isnan(self.vectors[:, 0].numpy()))
        if not len(known):
            raise ArtifactError(
                f"{self.old.entrant.folder}: holds no vector of a train image of {self.store.manifest.source}; "
                "embed that split with the old model, or give the model itself"
            )
        return known

    @cached_property
    def classes(self) -> tuple[tuple[str, ...], Tensor]:
        """The labels of the known images, and the number of each one's label among them."""
        names, numbers = np.unique(self.labels[self.known], return_inverse=True)
        return tuple(names.tolist()), torch.from_numpy(numbers)

    def require_vectors(self, weights: Mapping[str, float]) -> None:
        """Raise ArtifactError when a term follows the old model's vectors and an image has none."""
        followed = [name for name in weights if LOSSES[name].teacher != "prototypes"]
        missing = np.flatnonzero(np.isnan(self.vectors[:, 0].numpy())) if followed else np.empty(0)
        if len(missing):
            raise ArtifactError(
                f"{self.old.entrant.folder}: {len(missing)} of {len(self.labels)} train images have no old vector, "
                f"which {followed[0]} follows; embed the train split with the old model, or take --method influence"
            )
