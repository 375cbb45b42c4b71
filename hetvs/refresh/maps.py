"""A map from one space to another: it knows its direction, and what it maps carries the new space."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.card_fields import SCHEMA_VERSION, build, of_this_schema
from hetvs.errors import ArtifactError, IncompatibleSpaceError
from hetvs.files import digest_bytes
from hetvs.refresh.versions import Version, VersionedVectors


@dataclass(frozen=True, kw_only=True)
class MapCard:
    """What a reader must know of a map before it is applied.

    `from_model` and `to_model` are the weights digests of the two models, `pairs` the images that it was
    fitted on. `direction` is forward (old gallery -> new space) or backward (new query -> old space);
    `rule` is what the judged split said of it; a rotation has none, for it changes no cosine.
    """

    method: str
    direction: str
    from_space: SpaceCard
    to_space: SpaceCard
    from_model: str
    to_model: str
    weights_digest: str
    pairs: int
    fitted: dict[str, Any]
    rule: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain JSON values."""
        spaces = {"from_space": self.from_space.to_json(), "to_space": self.to_space.to_json()}
        return {"schema_version": SCHEMA_VERSION, **asdict(self), **spaces}

    @classmethod
    def from_json(cls, value: Any, where: str) -> MapCard:
        """Read a card back; ArtifactError when a field is missing, unknown or of another schema."""
        values = of_this_schema(dict(value) if isinstance(value, dict) else {}, where)
        del values["schema_version"]
        for name in ("from_space", "to_space"):
            values[name] = SpaceCard.from_json(values.get(name), f"{where}: {name}")
        return build(cls, values, where)


@dataclass(frozen=True)
class SpaceMap:
    """A fitted map: norm(W x + b), and for an MLP norm(W x + b + V relu(U x + u)), with x of unit length.

    `arrays` are float32: weight W (D_to, D_from), bias b (D_to,), and of an MLP hidden.weight U, hidden.bias u,
    out.weight V, and variance.weight (1, H), variance.bias (1,), which predict log sigma^2 of its error.
    """

    card: MapCard
    arrays: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        shape, wanted = self.arrays["weight"].shape, (self.card.to_space.dim, self.card.from_space.dim)
        if shape != wanted:
            raise ArtifactError(f"map: weight of shape {shape} does not lead from D={wanted[1]} to D={wanted[0]}")

    @property
    def predicts_variance(self) -> bool:
        """Whether `log_variance` is known."""
        return "variance.weight" in self.arrays

    def place(self, vectors_ND: np.ndarray) -> np.ndarray:
        """Return (N, D_to) float32 unit vectors of the target space for (N, D_from) of the source space."""
        rows_ND = vectors_ND.astype(np.float64)
        placed_ND = rows_ND @ self.arrays["weight"].T.astype(np.float64) + self.arrays["bias"]
        if "hidden.weight" in self.arrays:
            placed_ND += self._hidden(rows_ND) @ self.arrays["out.weight"].T
        unit_ND: np.ndarray = placed_ND / np.linalg.norm(placed_ND, axis=1, keepdims=True)
        return unit_ND.astype(np.float32)

    def log_variance(self, vectors_ND: np.ndarray) -> np.ndarray:
        """Return log sigma^2 (N,) that the map expects of its own error a component; ValueError where it knows none."""
        if not self.predicts_variance:
            raise ValueError(f"a map by {self.card.method} predicts no variance")
        hidden_NH = self._hidden(vectors_ND.astype(np.float64))
        found: np.ndarray = hidden_NH @ self.arrays["variance.weight"][0] + self.arrays["variance.bias"][0]
        return found

    def _hidden(self, rows_ND: np.ndarray) -> np.ndarray:
        hidden_NH: np.ndarray = np.maximum(rows_ND @ self.arrays["hidden.weight"].T + self.arrays["hidden.bias"], 0)
        return hidden_NH


def digest_of(arrays: dict[str, np.ndarray]) -> str:
    """Return the sha256 over names, types, shapes and bytes of the arrays, in name order."""
    parts: list[bytes] = []
    for name, array in sorted(arrays.items()):
        parts += [f"{name} {array.dtype} {array.shape}".encode(), np.ascontiguousarray(array).tobytes()]
    return digest_bytes(*parts)


def require_applies(card: MapCard, vectors: EmbeddingSet, name: str) -> None:
    """Raise IncompatibleSpaceError unless `vectors` (called `name`) stand where the map begins.

    Between two models of one space the space says nothing of the direction: there the model must be the one.
    """
    begins, ends, here = (space.space_id for space in (card.from_space, card.to_space, vectors.space))
    if here == ends and here != begins:
        raise IncompatibleSpaceError(
            f"{name}: is in space {ends}, where this map ends; it leads from {begins} to {ends}: "
            "the wrong direction; fit one with --from and --to exchanged"
        )
    if here != begins:
        raise IncompatibleSpaceError(f"{name}: is in space {here}, but the map leads from {begins} to {ends}")
    if begins == ends and vectors.model_digest != card.from_model:
        raise IncompatibleSpaceError(
            f"{name}: was made by model {vectors.model_digest[:16]}, but the map leads from model "
            f"{card.from_model[:16]} to {card.to_model[:16]} of the same space {begins}"
        )


def mapped(space_map: SpaceMap, vectors: VersionedVectors, name: str) -> VersionedVectors:
    """Return the vectors in the space where the map ends; each row keeps what made it, and names the map.

    IncompatibleSpaceError when they do not stand where it begins. `name` is what the error calls them.
    """
    card = space_map.card
    require_applies(card, vectors.vectors, name)
    versions = tuple(
        Version(name=v.name, space_id=v.space_id, model_digest=v.model_digest, maps=(*v.maps, card.weights_digest))
        for v in vectors.versions
    )
    placed_ND = space_map.place(vectors.vectors.vectors_ND)
    return VersionedVectors.of(placed_ND, vectors.vectors.ids, card.to_space, versions, vectors.version_N)
