"""A benchmark's own layout -> a manifest: val cut out of train, roles, boxes, and the checks all layouts share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from hetvs.config import ImportConfig
from hetvs.datasets.layouts.registry import LAYOUTS
from hetvs.datasets.layouts.row import LayoutRow
from hetvs.errors import ConfigError, ManifestError
from hetvs.files import new_folder, write_text
from hetvs.manifest_table import percentile_of, table_text
from hetvs.settings import did_you_mean

COLUMNS = ("id", "path", "label", "domain", "split", "is_query", "is_gallery", "x_1", "y_1", "x_2", "y_2")


def import_layout(name: str, folder: Path, output: Path, config: ImportConfig, *, overwrite: bool = False) -> None:
    """Write `output`/manifest.csv of the benchmark in `folder`; its images stay where they are.

    Raises ConfigError for a layout that is unknown or has no boxes to choose, ManifestError for the
    first thing that is missing or wrong in `folder`, with its file and line.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"layout {name!r} is unknown{did_you_mean(name, list(LAYOUTS))}")
    layout = LAYOUTS[name]
    if config.boxes and layout.read_boxes is None:
        choosing = ", ".join(key for key, entry in LAYOUTS.items() if entry.read_boxes)
        raise ConfigError(f"--boxes is for {choosing}; {name} has no boxes, or cannot be read without; leave it out")
    if not folder.is_dir():
        raise ManifestError(f"{folder}: not a folder; give the one that the benchmark was unpacked into")
    rows = layout.read_boxes(folder) if config.boxes and layout.read_boxes else layout.read(folder)
    _require_sound(rows, folder, trains=layout.trains)
    with new_folder(output, overwrite=overwrite) as temporary:
        home = output.resolve() if config.relative else None
        cells = [_cells(row, split_of_row(row, name, config.val), home) for row in rows]
        write_text(temporary / "manifest.csv", table_text((*COLUMNS, *rows[0].extra), cells))


def split_of_row(row: LayoutRow, layout: str, val_percent: int) -> str:
    """Return test for a judged row, else val for `val_percent` of the hashed classes, and train for the rest.

    No class is in both, and none moves when another one is added or removed.
    """
    if row.judged:
        return "test"
    return "val" if percentile_of(f"{layout}/{row.unit or row.label}") < val_percent else "train"


def _cells(row: LayoutRow, split: str, home: Path | None) -> Sequence[object]:
    """Return a row of the manifest; `home` is what its path is relative to, None for an absolute one."""
    image = row.image.resolve()
    path = image.as_posix() if home is None else Path(os.path.relpath(image, home)).as_posix()
    roles = (0, 0) if split == "train" else (int(row.is_query), int(row.is_gallery))
    box = ("",) * 4 if row.box is None else tuple(f"{edge:g}" for edge in row.box)
    return (row.id, path, row.label, row.domain, split, *roles, *box, *row.extra.values())


def _require_sound(rows: Sequence[LayoutRow], folder: Path, *, trains: bool) -> None:
    """Raise ManifestError with the first fault that a whole benchmark does not have, and the number of its kind."""
    for kind in (_twice(rows), _in_both(rows), _missing(rows)):
        found = list(kind)
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise ManifestError(f"{found[0]}{more}")
    judged = [row for row in rows if row.judged]
    for there, what in (
        (len(judged) < len(rows) or not trains, "train on"),
        (any(row.is_query for row in judged), "ask with"),
        (any(row.is_gallery for row in judged), "search in"),
    ):
        if not there:
            raise ManifestError(f"{folder}: lists no image to {what}; unpack all of its parts")


def _twice(rows: Sequence[LayoutRow]) -> Iterator[str]:
    """Yield the images that are listed again."""
    first: dict[str, LayoutRow] = {}
    for row in rows:
        if first.setdefault(row.id, row) is not row:
            yield f"{row.origin}: {row.id} is listed at {first[row.id].origin} too; remove one line"


def _in_both(rows: Sequence[LayoutRow]) -> Iterator[str]:
    """Yield the classes that are trained on and judged."""
    trained = {row.label: row for row in reversed(rows) if not row.judged}
    judged = {row.label: row for row in reversed(rows) if row.judged}
    for label, row in judged.items():
        if label in trained:
            yield f"{row.origin}: class {label} is judged, and trained on at {trained[label].origin}; unpack it again"


def _missing(rows: Sequence[LayoutRow]) -> Iterator[str]:
    """Yield the images that are not there."""
    for row in rows:
        if not row.image.is_file():
            yield f"{row.origin}: {row.image}: image not found; unpack the pictures beside the lists"
