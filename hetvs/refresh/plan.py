"""The plan of a backfill: one folder that holds the old gallery, the order, the finished chunks and what is served.

plan.json            what is refreshed by which model, in which space; written last
order.json           the image ids, first one first
galleries/old/       the gallery as it was, and galleries/start/, the same through the map where one is used
chunks/00000/        vectors of the new model: a chunk is there whole or not at all, so the folder is the journal
galleries/TAG/       a gallery as it was served: the first images of the order new, the rest as at the start
serving.json         the tag that is served: replaced atomically, so that search never sees half a gallery
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.card_fields import SCHEMA_VERSION, build, of_this_schema
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import digest_json, read_json, write_json
from hetvs.refresh.versions import VersionedVectors

PLAN_NAME, ORDER_NAME, SERVING_NAME = "plan.json", "order.json", "serving.json"
OLD, START, NEW = "old", "start", "new"  # tags: as it was, the same through a map, and all of it refreshed


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the refresh of a gallery costs: the speed was measured on a few of its images.

    `macs` is of one image; `bytes` are those of the new vectors.
    """

    images: int
    images_per_s: float
    macs: int
    bytes: int

    @property
    def seconds(self) -> float:
        """How long the whole gallery takes at that speed."""
        return self.images / self.images_per_s

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the seconds."""
        return {**asdict(self), "seconds": self.seconds}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a plan folder is about. `start` is the tag of the gallery whose rows stand until they are refreshed."""

    data: str
    model: str
    model_digest: str
    space: SpaceCard
    order: str
    order_digest: str
    chunk: int
    start: str
    map_digest: str
    cost: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write plan.json into `folder`."""
        values = {"schema_version": SCHEMA_VERSION, **asdict(self), "space": self.space.to_json()}
        write_json(folder / PLAN_NAME, values)

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """Read the plan of a folder; ArtifactError when there is none."""
        path = folder / PLAN_NAME
        if not path.is_file():
            raise ArtifactError(f"{folder}: holds no plan ({PLAN_NAME}); make one with `hetvs backfill plan`")
        value = read_json(path)
        values = of_this_schema(dict(value) if isinstance(value, dict) else {}, str(path))
        del values["schema_version"]
        values["space"] = SpaceCard.from_json(values.get("space"), str(path))
        return build(cls, values, str(path))


@dataclass(frozen=True)
class Backfill:
    """A plan folder, opened: its plan, and the image ids in the order of their refresh."""

    folder: Path
    plan: Plan
    ids: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> Backfill:
        """Open a plan folder; ArtifactError when there is none, or its order was changed."""
        plan, ids = Plan.load(folder), read_json(folder / ORDER_NAME)
        if digest_json(ids) != plan.order_digest:
            raise ArtifactError(f"{folder / ORDER_NAME}: differs from the digest in {PLAN_NAME}; make the plan again")
        return cls(folder, plan, tuple(ids))

    def chunk_ids(self, number: int) -> tuple[str, ...]:
        """Return the ids of a chunk, counted from 0; the last one may be shorter."""
        return self.ids[number * self.plan.chunk : (number + 1) * self.plan.chunk]

    def chunks_for(self, count: int) -> range:
        """Return the numbers of the chunks that hold the first `count` images."""
        return range(math.ceil(count / self.plan.chunk))

    def chunk_folder(self, number: int) -> Path:
        """Return where a chunk is, or will be."""
        return self.folder / "chunks" / f"{number:05d}"

    def chunk(self, number: int) -> EmbeddingSet | None:
        """Return a finished chunk; None when there is none, when it was damaged since or is of other images."""
        try:
            found = EmbeddingSet.load(self.chunk_folder(number))
        except ArtifactError:
            return None
        mine = found.ids == self.chunk_ids(number) and found.model_digest == self.plan.model_digest
        return found if mine and found.space == self.plan.space else None

    def gallery_folder(self, tag: str) -> Path:
        """Return where the gallery of a tag is, or will be."""
        return self.folder / "galleries" / tag

    def gallery(self, count: int) -> VersionedVectors:
        """Return the gallery with its first `count` images refreshed; ArtifactError when a chunk is missing."""
        start = VersionedVectors.load(self.gallery_folder(self.plan.start))
        if not count:
            return start
        found = [(number, self.chunk(number)) for number in self.chunks_for(count)]
        chunks = [chunk for _, chunk in found if chunk is not None]
        if len(chunks) < len(found):
            missing = next(number for number, chunk in found if chunk is None)
            raise ArtifactError(f"{self.chunk_folder(missing)}: is not finished; go on with `hetvs backfill run`")
        vectors_ND = np.concatenate([chunk.vectors_ND for chunk in chunks])[:count]
        newer = EmbeddingSet(vectors_ND, self.ids[:count], self.plan.space, self.plan.model_digest)
        return start.replaced(newer, Path(self.plan.model).name)

    def publish(self, count: int, tag: str) -> VersionedVectors:
        """Write the gallery with its first `count` images refreshed under a tag, serve it, and return it.

        A tag keeps its gallery: one that is there is served again, and ConfigError says when it is another one.
        """
        there = self.gallery_folder(tag).is_dir()
        found = VersionedVectors.load(self.gallery_folder(tag)) if there else self.gallery(count)
        if there and self.refreshed(found) != count:
            raise ConfigError(f"tag {tag!r} is that of a gallery with {self.refreshed(found)} new rows; choose another")
        if not there:
            found.save(self.gallery_folder(tag))
        self.serve(tag)
        return found

    def refreshed(self, gallery: VersionedVectors) -> int:
        """Return how many rows of a gallery the new model made."""
        mine = [version.model_digest == self.plan.model_digest for version in gallery.versions]
        return int(np.sum(np.array(mine)[gallery.version_N]))

    def serve(self, tag: str) -> Path:
        """Point to the gallery of a tag, in one step, and return it; ConfigError names the tags that there are."""
        if not self.gallery_folder(tag).is_dir():
            raise ConfigError(f"{self.folder}: no gallery {tag!r}; there are: {', '.join(self.tags())}")
        write_json(self.folder / SERVING_NAME, {"tag": tag, "gallery": f"galleries/{tag}"})
        return self.gallery_folder(tag)

    def serving(self) -> str:
        """Return the tag that is served."""
        return str(read_json(self.folder / SERVING_NAME)["tag"])

    def tags(self) -> list[str]:
        """Return the tags of all galleries, by name."""
        found = (self.folder / "galleries").iterdir()
        return sorted(path.name for path in found if not path.name.startswith("."))
