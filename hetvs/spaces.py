"""The identity of an embedding space: born with a teacher, or derived by a rotation and by cutting what was rotated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from hetvs.card_fields import SCHEMA_VERSION, build, of_this_schema
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError
from hetvs.files import digest_json

DERIVED = ("parent", "basis")  # fields that only a rotated space and its prefixes have


@dataclass(frozen=True, kw_only=True)
class SpaceCard:
    """The identity of an embedding space, born when a teacher is trained.

    `teacher_digest` covers the teacher's weights including its projection, `preprocess_digest` its
    `Preprocess`. Many models share a space; the id of a model is `ModelCard.weights_digest`. A space that was
    rotated, and each prefix of it, has an id of its own: `parent` is the space_id it was rotated from, `basis` the
    digest of the rotation, and both are empty elsewhere.
    """

    teacher_digest: str
    preprocess_digest: str
    dim: int
    normalisation: str = "l2"
    schema_version: int = SCHEMA_VERSION
    parent: str = ""
    basis: str = ""

    @property
    def space_id(self) -> str:
        """The first 16 hex characters of the digest of all fields."""
        return digest_json(self._facts())[:16]

    def rotated(self, basis: str) -> SpaceCard:
        """Return the space that a rotation with the digest `basis` leads to: every cosine stays, every vector moves."""
        return replace(self, parent=self.space_id, basis=basis)

    def prefix(self, dim: int) -> SpaceCard:
        """Return the space of the first `dim` components, normalised again; all of them are the space itself.

        Raises ConfigError unless the space is rotated and `dim` is in 1..D: elsewhere the first components are
        no better than any others.

        >>> space = SpaceCard(teacher_digest="a", preprocess_digest="b", dim=8).rotated("c")
        >>> space.prefix(4).dim, space.prefix(8) == space, space.prefix(4).prefix(2) == space.prefix(2)
        (4, True, True)
        """
        if not self.basis:
            raise ConfigError(
                f"space {self.space_id} has no prefixes: it is not rotated; run `hetvs rotate` on its gallery model"
            )
        if not 1 <= dim <= self.dim:
            raise ConfigError(f"a prefix of space {self.space_id} has 1 to {self.dim} components, not {dim}")
        return replace(self, dim=dim)

    def to_json(self) -> dict[str, Any]:
        """Return the fields and the derived `space_id`, for readers without our code."""
        return {"space_id": self.space_id, **self._facts()}

    @classmethod
    def from_json(cls, value: Any, where: str) -> SpaceCard:
        """Read a card back; ArtifactError when a field is off or `space_id` was edited."""
        values = dict(value) if isinstance(value, dict) else {}
        claimed = values.pop("space_id", None)
        space = build(cls, of_this_schema(values, where), where)
        if claimed != space.space_id:
            raise ArtifactError(f"{where}: space_id {claimed!r} does not match its fields; re-export the artifact")
        return space

    def _facts(self) -> dict[str, Any]:
        """Return the fields; those of a derived space only where it is one: the other ids are older than they."""
        return {name: value for name, value in asdict(self).items() if value or name not in DERIVED}


def require_prefixes(space: SpaceCard, dims: Iterable[int]) -> None:
    """Raise ConfigError unless each of `dims` is the length of a prefix of `space`, and shorter than all of it."""
    for dim in dims:
        if space.prefix(dim) == space:
            raise ConfigError(f"a prefix of {dim} is the whole vector of space {space.space_id}; leave it out")


def require_same_space(query: SpaceCard, gallery: SpaceCard, query_name: str, gallery_name: str) -> None:
    """Raise IncompatibleSpaceError when two known spaces differ.

    `query_name` and `gallery_name` say in the message which artifacts are meant.
    """
    if query.space_id != gallery.space_id:
        raise IncompatibleSpaceError(
            f"query space {query.space_id} ({query_name}) is not gallery space {gallery.space_id} "
            f"({gallery_name}); {_remedy(query, gallery)}"
        )


def _remedy(query: SpaceCard, gallery: SpaceCard) -> str:
    """Say what brings two different spaces together."""
    if query.basis and replace(query, dim=gallery.dim) == gallery:
        return f"they are prefixes of {query.dim} and {gallery.dim} components: cut both sides to the same --dim"
    if gallery.parent == query.space_id:
        return "the gallery is rotated: run `hetvs rotate` on the query model with its --basis"
    return "train the query model against this gallery's model, or re-embed the gallery"
