"""What a student may be given to follow: a model that can be asked, or vectors alone, which another owner embedded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.contenders import VECTORS_CARD
from hetvs.encoders import Encoder, batches, embed, open_encoder
from hetvs.errors import ArtifactError
from hetvs.manifest import Manifest
from hetvs.progress import track

BATCH = 128
NAMED = 5  # unknown ids that a message lists

Given = Encoder | EmbeddingSet


def open_given(teacher: Path, *, threads: int) -> Given:
    """Open a folder of vectors, or whatever `hetvs.encoders` opens; `threads` 0 takes every core."""
    return EmbeddingSet.load(teacher) if (teacher / VECTORS_CARD).is_file() else open_encoder(teacher, threads=threads)


def space_of(given: Given) -> SpaceCard:
    """Return the space that a student of it joins."""
    return given.space if isinstance(given, EmbeddingSet) else given.card.space


def name_of(given: Given, teacher: Path) -> str:
    """Return what the student's card calls its teacher: the model's name, or that of the folder of vectors."""
    return teacher.resolve().name if isinstance(given, EmbeddingSet) else given.card.name


def require_known(given: Given, teacher: Path, manifest: Manifest, rows: np.ndarray) -> None:
    """Raise ArtifactError, with the first ids, when stored vectors lack images of `rows`; a model knows every image."""
    if not isinstance(given, EmbeddingSet):
        return
    ids = manifest.ids[rows].tolist()
    unknown = [ids[place] for place in np.flatnonzero(given.rows_of(ids) < 0)]
    if unknown:
        named = ", ".join(unknown[:NAMED]) + (", ..." if len(unknown) > NAMED else "")
        split = manifest.splits[rows[0]]
        raise ArtifactError(
            f"{teacher}: has no vector of {len(unknown)} of {len(ids)} {split} images of {manifest.source}: {named}; "
            "embed them with the teacher, or leave them out with --rows"
        )


def whole_vectors(given: Given, manifest: Manifest, rows: np.ndarray, shown: str) -> np.ndarray:
    """Return the vectors (n, D) of the whole images of `rows`, a bar named `shown` where a model embeds them.

    Stored vectors must have all of them, see `require_known`.
    """
    if isinstance(given, EmbeddingSet):
        stored: np.ndarray = given.vectors_ND[given.rows_of(manifest.ids[rows].tolist())]
        return stored
    return embed(given, manifest, track(batches(rows, BATCH), shown)).vectors_ND
