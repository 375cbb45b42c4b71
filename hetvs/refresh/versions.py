"""Vectors of several origins in one space: the artifact says of each row which model and which maps made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hetvs.arrays import array_digest, load_array, save_array
from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.card_fields import build
from hetvs.errors import ArtifactError, IncompatibleSpaceError
from hetvs.files import digest_json, new_folder, read_json, write_json

CARD_NAME, ROWS_NAME = "versions.json", "versions.npy"


@dataclass(frozen=True, kw_only=True)
class Version:
    """What made some of the rows: a model, the space that it embeds into, the maps that came after it.

    `maps` are the weights digests of the maps, first one first; none where the model's vectors stand as they are.
    """

    name: str
    space_id: str
    model_digest: str
    maps: tuple[str, ...] = ()


@dataclass(frozen=True)
class VersionedVectors:
    """Vectors that may be asked in one space, whatever made them.

    `version_N` (uint8) is the number of each row's version in `versions`. On disk it is a folder of vectors like
    any other (see `EmbeddingSet`), and versions.json and versions.npy beside them.
    """

    vectors: EmbeddingSet
    versions: tuple[Version, ...]
    version_N: np.ndarray

    def __post_init__(self) -> None:
        space_id = self.vectors.space.space_id
        for version in self.versions:
            if version.space_id != space_id and not version.maps:
                raise IncompatibleSpaceError(
                    f"rows of {version.name!r} are in space {version.space_id}, the others in {space_id}; "
                    "learn a map between them with `hetvs adapt` and give it as --map"
                )
        if self.version_N.shape != (len(self.vectors.ids),) or self.version_N.dtype != np.uint8:
            raise ArtifactError(f"versions of shape {self.version_N.shape} do not fit {len(self.vectors.ids)} rows")
        if len(self.version_N) and int(self.version_N.max()) >= len(self.versions):
            raise ArtifactError(f"a row is of version {int(self.version_N.max())}, but there are {len(self.versions)}")

    @classmethod
    def of(
        cls,
        vectors_ND: np.ndarray,
        ids: tuple[str, ...],
        space: SpaceCard,
        versions: tuple[Version, ...],
        version_N: np.ndarray,
    ) -> VersionedVectors:
        """Put rows together; what they are the work of is the one model, or the digest of all versions."""
        plain = len(versions) == 1 and not versions[0].maps
        made_by = versions[0].model_digest if plain else digest_json([asdict(v) for v in versions])
        return cls(EmbeddingSet(vectors_ND, ids, space, made_by), versions, version_N)

    @classmethod
    def single(cls, vectors: EmbeddingSet, name: str) -> VersionedVectors:
        """Return vectors that one model made."""
        version = Version(name=name, space_id=vectors.space.space_id, model_digest=vectors.model_digest)
        return cls(vectors, (version,), np.zeros(len(vectors.ids), np.uint8))

    def counts(self) -> dict[str, int]:
        """Return how many rows each version has, by name."""
        found = np.bincount(self.version_N, minlength=len(self.versions))
        return {version.name: int(count) for version, count in zip(self.versions, found, strict=True)}

    def replaced(self, newer: EmbeddingSet, name: str) -> VersionedVectors:
        """Return the same rows in the same order, those with an id of `newer` by its vectors, called `name`.

        IncompatibleSpaceError when `newer` is of another space than the rows that stay, ArtifactError when it has an
        id that is not here.
        """
        mine = self.vectors
        if newer.space.space_id != mine.space.space_id:
            raise IncompatibleSpaceError(
                f"space {newer.space.space_id} of {name!r} is not that of the gallery, {mine.space.space_id}; "
                "learn a map from the old space with `hetvs adapt` and give it as --map"
            )
        row_of = {image_id: row for row, image_id in enumerate(mine.ids)}
        strangers = [image_id for image_id in newer.ids if image_id not in row_of]
        if strangers:
            raise ArtifactError(
                f"{len(strangers)} ids of {name!r} are not in the gallery, the first is {strangers[0]!r}"
            )
        rows = np.array([row_of[image_id] for image_id in newer.ids], dtype=np.int64)
        vectors_ND, version_N = mine.vectors_ND.copy(), self.version_N.copy()
        vectors_ND[rows], version_N[rows] = newer.vectors_ND, len(self.versions)
        name = name if name not in self.counts() else f"{name} {len(self.versions) + 1}"
        version = Version(name=name, space_id=newer.space.space_id, model_digest=newer.model_digest)
        return VersionedVectors.of(vectors_ND, mine.ids, mine.space, (*self.versions, version), version_N)

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the vectors and what made them; they appear together or not at all."""
        with new_folder(folder, overwrite=overwrite) as temporary:
            self.vectors.save(temporary, overwrite=True)
            save_array(temporary / ROWS_NAME, self.version_N)
            facts = {"versions": [asdict(v) for v in self.versions], "rows_digest": array_digest(self.version_N)}
            write_json(temporary / CARD_NAME, facts)

    @classmethod
    def load(cls, folder: Path) -> VersionedVectors:
        """Read a folder of vectors; one without versions.json is of one version, called by the folder's name.

        ArtifactError when a file was changed since.
        """
        vectors = EmbeddingSet.load(folder)
        path = folder / CARD_NAME
        if not path.is_file():
            return cls.single(vectors, folder.resolve().name)
        facts, version_N = read_json(path), load_array(folder / ROWS_NAME)
        if not isinstance(facts, dict) or facts.get("rows_digest") != array_digest(version_N):
            raise ArtifactError(f"{folder / ROWS_NAME}: digest differs from {CARD_NAME}; write the folder again")
        return cls(vectors, tuple(_version(v, str(path)) for v in facts.get("versions", [])), version_N)


def _version(value: Any, where: str) -> Version:
    values = dict(value) if isinstance(value, dict) else {}
    return build(Version, {**values, "maps": tuple(values.get("maps", ()))}, where)
