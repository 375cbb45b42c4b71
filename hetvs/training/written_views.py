"""Augmented views of train images as files with ids of their own: what a teacher whose weights stay elsewhere embeds.

A student of its vectors then learns from the very pictures that the vectors are of (`whole` in StudentConfig), as one
of a run does through its cached views: a vector of the whole image is a worse answer to a crop of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hetvs.config import ViewsConfig
from hetvs.encoders import batches
from hetvs.errors import ManifestError
from hetvs.files import new_folder, write_text
from hetvs.manifest import read_manifest
from hetvs.manifest_check import BOX_COLUMNS
from hetvs.manifest_table import Table, read_table, table_text
from hetvs.shards import open_image
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore
from hetvs.training.teacher_views import BATCH, Crops

Track = Callable[[list[np.ndarray]], Iterable[np.ndarray]]


def write_views(
    data: Path, output: Path, config: ViewsConfig, *, overwrite: bool = False, track: Track = lambda chunks: chunks
) -> int:
    """Write `config.views` views of each train image of the table at `data`, and its val images, to a new folder.

    The manifest beside them has the columns of the table, but for boxes, which are applied. View k of image ID is
    the train image ID#k, drawn as a run would draw it from the same seed; val images are copied whole, with their
    ids. Returns the number of views; raises ManifestError for a fault of the table, or without a train image.
    """
    manifest, table = read_manifest(data), read_table(data)
    rows = manifest.rows("train", config.rows)
    if not len(rows):
        raise ManifestError(f"{manifest.source}: no train image; check the split column and --rows")
    crops = Crops(ImageStore(manifest, rows, config.source_size), Augment(), config.views_seed)
    written: list[list[str]] = []
    with new_folder(output, overwrite=overwrite) as temporary:
        for view in range(config.views):
            (temporary / f"view-{view}").mkdir()
        for images in track(batches(np.arange(len(rows)), BATCH)):
            for view in range(config.views):
                pixels_BSS3 = crops.render(images, np.full_like(images, view), config.size).permute(0, 2, 3, 1).numpy()
                for image, pixels in zip(images.tolist(), pixels_BSS3, strict=True):
                    path = f"view-{view}/{image:07}.png"
                    Image.fromarray(pixels).save(temporary / path)
                    written.append(_cells(table, int(rows[image]), f"{manifest.ids[rows[image]]}#{view}", path))
        (temporary / "val").mkdir()
        for number, row in enumerate(manifest.rows("val")):
            path = f"val/{number:07}{manifest.paths[row].suffix.lower()}"
            with open_image(manifest.paths[row]) as stream:
                (temporary / path).write_bytes(stream.read())
            written.append(_cells(table, int(row), str(manifest.ids[row]), path, boxed=True))
        write_text(temporary / "manifest.csv", table_text(_columns(table), written))
    return config.views * len(rows)


def _columns(table: Table) -> list[str]:
    return ["id", *(name for name in table.columns if name != "id")]


def _cells(table: Table, row: int, image_id: str, path: str, *, boxed: bool = False) -> list[str]:
    """Return the cells of a row under another id and path; a view has its box applied, a whole image keeps it."""
    told: dict[str, str] = dict(zip(table.columns, table.rows[row].cells, strict=True))
    told |= {"id": image_id, "path": path}
    if not boxed:
        told |= dict.fromkeys(_boxes(table.columns), "")
    return [told[name] for name in _columns(table)]


def _boxes(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name in BOX_COLUMNS]
