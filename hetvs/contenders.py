"""What takes part in a contest: a run, a bundle or a folder of vectors, named, checked, then embedded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetvs.artifacts import CARD_NAME, EdgeBundle, EmbeddingSet, ModelCard, SpaceCard, is_bundle
from hetvs.encoders import batches, embed, open_encoder
from hetvs.errors import ArtifactError
from hetvs.manifest import Manifest
from hetvs.progress import track
from hetvs.retrieval.matrix import Contender

VECTORS_CARD = "space.json"


@dataclass(frozen=True)
class Entrant:
    """A model as named on the command line: its card is read, nothing is embedded yet.

    Either `card` (a run or a bundle) or `vectors` (already embedded) is there.
    """

    name: str
    folder: Path
    card: ModelCard | None
    vectors: EmbeddingSet | None

    @property
    def seat(self) -> tuple[str, SpaceCard]:
        """Name and space, for the check before any work."""
        if self.vectors is not None:
            return self.name, self.vectors.space
        assert self.card is not None
        return self.name, self.card.space

    @property
    def digest(self) -> str:
        """The weights digest of the model that makes, or made, the vectors."""
        if self.vectors is not None:
            return self.vectors.model_digest
        assert self.card is not None
        return self.card.weights_digest

    def contender(self, manifest: Manifest, rows: np.ndarray, *, batch_size: int, threads: int) -> Contender:
        """Return the contender: stored vectors as they are, a model by embedding `rows` once."""
        vectors = self.vectors
        if vectors is None:
            encoder = open_encoder(self.folder, threads=threads)
            vectors = embed(encoder, manifest, track(batches(rows, batch_size), f"embed with {self.name}"))
        return Contender(self.name, vectors, self.card, str(self.folder))


def enter(folder: Path, name: str) -> Entrant:
    """Read the card of a run or a bundle, or the vectors of a folder; ArtifactError when it is none of them."""
    if is_bundle(folder):
        return Entrant(name, folder, EdgeBundle.load(folder).card, None)
    if (folder / CARD_NAME).is_file():
        return Entrant(name, folder, ModelCard.load(folder), None)
    if (folder / VECTORS_CARD).is_file():
        return Entrant(name, folder, None, EmbeddingSet.load(folder))
    raise ArtifactError(
        f"{folder}: is no run or bundle ({CARD_NAME}) and no folder of vectors ({VECTORS_CARD}); "
        "give a folder that `hetvs train-student`, `export` or `embed` wrote"
    )


def names_of(folders: list[Path]) -> list[str]:
    """Return the last part of each path, or the whole path where two would be called the same.

    >>> names_of([Path("runs/cloud"), Path("runs/edge"), Path("bundles/edge")])
    ['cloud', 'runs/edge', 'bundles/edge']
    """
    short = [folder.resolve().name for folder in folders]
    return [name if short.count(name) == 1 else str(folder) for name, folder in zip(short, folders, strict=True)]
