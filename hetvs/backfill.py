"""Refresh a gallery bit by bit: plan it, embed it chunk by chunk, serve what is there, go back when it is not good."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetvs.artifacts import require_same_space
from hetvs.config import BackfillConfig, RefreshConfig
from hetvs.contenders import Entrant, enter
from hetvs.encoders import Encoder, batches, embed, open_encoder
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError
from hetvs.files import digest_json, new_folder, write_json
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.map_storage import load_map
from hetvs.progress import track
from hetvs.refresh.maps import SpaceMap, mapped
from hetvs.refresh.order import access_counts, class_mean_distances, isolations, random_scores, ranked
from hetvs.refresh.plan import NEW, OLD, ORDER_NAME, SERVING_NAME, START, Backfill, Cost, Plan
from hetvs.refresh.versions import VersionedVectors


def scores(
    order: str,
    old: VersionedVectors,
    manifest: Manifest,
    space_map: SpaceMap | None,
    access: str,
    seed: int,
) -> np.ndarray:
    """Return the score (N,) by which the images of a gallery are refreshed, the largest first.

    Raises ConfigError when the order needs a map that predicts its variance, or the counts are off.
    """
    ids, vectors_ND = old.vectors.ids, old.vectors.vectors_ND
    if order == "random":
        return random_scores(ids, seed)
    if order == "isolation":
        return isolations(vectors_ND, ids)
    if order == "uncertainty":
        return class_mean_distances(vectors_ND, manifest.labels[rows_of(manifest, ids)])
    if order == "access":
        return access_counts(Path(access), ids)
    if space_map is None or not space_map.predicts_variance:
        raise ConfigError("order variance: the map predicts none; learn one with `hetvs adapt --method mlp`")
    return space_map.log_variance(vectors_ND)


def rows_of(manifest: Manifest, ids: tuple[str, ...]) -> np.ndarray:
    """Return the row of each image id in the manifest; ArtifactError when one is not there."""
    row_of = {image_id: row for row, image_id in enumerate(manifest.ids.tolist())}
    missing = [image_id for image_id in ids if image_id not in row_of]
    if missing:
        raise ArtifactError(
            f"{manifest.source}: {len(missing)} gallery images are not in it, the first is {missing[0]!r}"
        )
    return np.array([row_of[image_id] for image_id in ids], dtype=np.int64)


def start_of(old: VersionedVectors, new: Entrant, space_map: SpaceMap | None, name: str) -> VersionedVectors:
    """Return the gallery that the new model may ask before a row is refreshed: as it is, or through the map.

    IncompatibleSpaceError when that is not the new model's space: `name` is what the error calls the gallery.
    """
    start = mapped(space_map, old, name) if space_map else old
    try:
        require_same_space(new.seat[1], start.vectors.space, new.name, name)
    except IncompatibleSpaceError as error:
        raise IncompatibleSpaceError(f"{error}; or learn a map with `hetvs adapt` and give it as --map") from None
    return start


@dataclass(frozen=True)
class Draft:
    """A plan that is not written yet: the old gallery, the same in the new space, the ids in order, what it costs."""

    plan: Plan
    cost: Cost
    old: VersionedVectors
    start: VersionedVectors
    ids: tuple[str, ...]

    def write(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the plan folder; it appears whole, and serves the old gallery."""
        with new_folder(folder, overwrite=overwrite) as temporary:
            self.old.save(temporary / "galleries" / OLD)
            if self.plan.start != OLD:
                self.start.save(temporary / "galleries" / self.plan.start)
            write_json(temporary / ORDER_NAME, list(self.ids))
            write_json(temporary / SERVING_NAME, {"tag": OLD, "gallery": f"galleries/{OLD}"})
            self.plan.save(temporary)


def draft_plan(data: Path, old: Path, new: Path, config: BackfillConfig) -> Draft:
    """Check that the gallery `old` can be refreshed bit by bit by the run or bundle `new`, order it, measure the cost.

    Raises IncompatibleSpaceError when old and new rows could not be asked together.
    """
    gallery, entrant = VersionedVectors.load(old), enter(new, new.resolve().name)
    if entrant.card is None:
        raise ConfigError(f"{new}: is a folder of vectors; a backfill embeds, so give a run or a bundle as --new")
    space_map = load_map(Path(config.map)) if config.map else None
    start = start_of(gallery, entrant, space_map, str(old))
    manifest = read_manifest(data)
    ids, rows = gallery.vectors.ids, rows_of(manifest, gallery.vectors.ids)
    order = ranked(scores(config.order, gallery, manifest, space_map, config.access, config.seed), ids)
    encoder = open_encoder(new, threads=config.threads)
    probe = rows[np.linspace(0, len(rows) - 1, min(config.probe, len(rows)), dtype=np.int64)]
    cost = Cost(
        images=len(ids),
        images_per_s=speed(encoder, manifest, probe, config.batch_size),
        macs=entrant.card.macs,
        bytes=4 * len(ids) * entrant.card.dim,
    )
    in_order = tuple(ids[row] for row in order)
    plan = Plan(
        data=str(data),
        model=str(new),
        model_digest=entrant.digest,
        space=entrant.card.space,
        order=config.order,
        order_digest=digest_json(in_order),
        chunk=config.chunk,
        start=START if space_map else OLD,
        map_digest=space_map.card.weights_digest if space_map else "",
        cost=cost.to_json(),
    )
    return Draft(plan, cost, gallery, start, in_order)


def speed(
    encoder: Encoder,
    manifest: Manifest,
    rows: np.ndarray,
    batch_size: int,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return images per second, reading included, on `rows`; one image is embedded untimed before."""
    embed(encoder, manifest, [rows[:1]])
    started = clock()
    embed(encoder, manifest, batches(rows, batch_size))
    return len(rows) / max(clock() - started, 1e-9)


def run_backfill(folder: Path, config: RefreshConfig) -> tuple[str, VersionedVectors]:
    """Embed what is missing of the first `share` of the order, serve that gallery, return its tag and itself.

    Killed at any moment, it goes on with the first chunk that is not whole. Raises ArtifactError when the model or
    an image of the plan is gone, ConfigError when another process runs the same plan.
    """
    backfill = Backfill.open(folder)
    total = len(backfill.ids)
    count = round(config.share * total)
    whole = NEW if count == total else f"share-{count / total:.4f}"
    with only_one(folder):
        for leftover in (folder / "chunks").glob(".*"):
            shutil.rmtree(leftover)  # of a killed run: a chunk that did not get its name
        missing = [number for number in backfill.chunks_for(count) if backfill.chunk(number) is None]
        if missing:
            _embed_chunks(backfill, missing, config)
        tag = config.tag or (whole if count else backfill.plan.start)
        return tag, backfill.publish(count, tag)


def _embed_chunks(backfill: Backfill, numbers: list[int], config: RefreshConfig) -> None:
    """Embed chunks, each of which appears whole."""
    plan = backfill.plan
    encoder, manifest = open_encoder(Path(plan.model), threads=config.threads), read_manifest(Path(plan.data))
    if encoder.card.weights_digest != plan.model_digest:
        raise ArtifactError(f"{plan.model}: is another model than when the plan was made; make a new plan")
    rows = [rows_of(manifest, backfill.chunk_ids(number)) for number in numbers]
    for number, chunk in zip(numbers, track(rows, f"embed with {Path(plan.model).name}"), strict=True):
        found = embed(encoder, manifest, batches(chunk, config.batch_size))
        found.save(backfill.chunk_folder(number), overwrite=True)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of a plan folder; ConfigError when another process does. A killed process holds nothing."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{folder}: another process runs this plan; wait for it or stop it") from None
        yield
