"""Every fault of a table of images, with file and line, all of them in one pass."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hetvs.errors import ManifestError
from hetvs.manifest_table import SPLITS, Row, Table, read_table
from hetvs.preprocess import Box, box_edges, open_rgba
from hetvs.settings import did_you_mean
from hetvs.shards import image_bytes, image_digest

BOX_COLUMNS = ("x_1", "y_1", "x_2", "y_2")
KNOWN_COLUMNS = ("id", "path", "label", "domain", "split", "is_query", "is_gallery", *BOX_COLUMNS)
REQUIRED_COLUMNS = ("path", "label", "split")
BOOLEANS = {"1": True, "true": True, "0": False, "false": False, "": False}
NO_BOX: Box = (math.nan, math.nan, math.nan, math.nan)

CHUNK = 256  # images between two ticks of a progress bar

Track = Callable[[list[list[Path]]], Iterable[list[Path]]]


@dataclass(frozen=True)
class Fault:
    """What is wrong in one place, and what to do; `line` 0 means the whole file."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass(frozen=True)
class Decoded:
    """What a full decode of one image file gave: its size and the sha256 of its bytes, or why it failed."""

    path: Path
    width_px: int = 0
    height_px: int = 0
    digest: str = ""
    error: str = ""


def faults(path: Path, *, track: Track = lambda chunks: chunks) -> list[Fault]:
    """Return every fault of the table at `path` and of its images, in the order of the lines.

    Every image is decoded, on one thread per core; `track` may wrap the chunks of paths in a progress
    bar. Raises ManifestError only when there is no table to read.
    """
    table = read_table(path)
    found = table_faults(table)
    if _header_faults(table):
        return found
    return sorted([*found, *_image_faults(table, track)], key=lambda fault: fault.line)


def table_faults(table: Table) -> list[Fault]:
    """Return the faults that need no pixel: columns, cells, ids, splits, files that are missing or empty."""
    header = _header_faults(table)
    if header:
        return header
    found = [*_cell_faults(table), *_id_faults(table), *_label_faults(table), *_file_faults(table)]
    return sorted(found, key=lambda fault: fault.line)


def parse_box(cells: tuple[str, ...]) -> Box:
    """Return the box of four cells, all NaN when all are empty; ValueError says what is wrong.

    >>> parse_box(("0", "0", "8", "6.5"))
    (0.0, 0.0, 8.0, 6.5)
    """
    if not any(cells):
        return NO_BOX
    try:
        x_1, y_1, x_2, y_2 = map(float, cells)
    except ValueError:
        raise ValueError(f"box {', '.join(cells)} is not four numbers; fill all four cells or none") from None
    if not all(map(math.isfinite, (x_1, y_1, x_2, y_2))):
        raise ValueError(f"box {', '.join(cells)} is not four finite numbers; fill all four cells or none")
    left, top, right, bottom = box_edges((x_1, y_1, x_2, y_2))
    if right <= left or bottom <= top:
        raise ValueError(f"box {', '.join(cells)} is empty or inverted; write x_1 < x_2 and y_1 < y_2, in pixels")
    if x_1 < 0 or y_1 < 0:
        raise ValueError(f"box {', '.join(cells)} starts outside the image; write pixels from 0")
    return x_1, y_1, x_2, y_2


def _header_faults(table: Table) -> list[Fault]:
    """Return what makes the rows unreadable: columns or cells that are not there, or no row at all."""
    columns = list(table.columns)
    texts = [
        f"column {name!r} appears twice; rename one" for name in sorted({c for c in columns if columns.count(c) > 1})
    ]
    for name in REQUIRED_COLUMNS:
        if name not in columns:
            texts.append(f"column {name!r} is missing{did_you_mean(name, columns)}")
    boxes = [name for name in BOX_COLUMNS if name in columns]
    if boxes and len(boxes) < len(BOX_COLUMNS):
        texts.append(f"a box needs the columns x_1, y_1, x_2, y_2; only {', '.join(boxes)} found")
    if not table.rows:
        texts.append("no rows; write one image a row")
    ragged = [
        Fault(table.source, row.line, f"{len(row.cells)} cells under {len(columns)} columns; quote cells with commas")
        for row in table.rows
        if len(row.cells) != len(columns)
    ]
    return [Fault(table.source, 1, text) for text in texts] + ragged


def _cell_faults(table: Table) -> Iterator[Fault]:
    """Yield the faults of single cells: empty, an unknown split, not boolean, not a box."""
    boxes = list(zip(*(table.column(name) for name in BOX_COLUMNS), strict=True))
    for row, path, label, split, box in zip(
        table.rows, table.column("path"), table.column("label"), table.column("split"), boxes, strict=True
    ):
        if not path:
            yield Fault(table.source, row.line, "path is empty; write the image's path or remove the row")
        if not label:
            yield Fault(table.source, row.line, "label is empty; write the class or remove the row")
        if split not in SPLITS:
            yield Fault(table.source, row.line, f"split {split!r} is unknown{did_you_mean(split, list(SPLITS))}")
        try:
            parse_box(box)
        except ValueError as error:
            yield Fault(table.source, row.line, str(error))
    for name in ("is_query", "is_gallery"):
        for row, cell in zip(table.rows, table.column(name), strict=True):
            if cell.lower() not in BOOLEANS:
                yield Fault(table.source, row.line, f"{name} {cell!r} is not boolean; write 1 or 0")


def _id_faults(table: Table) -> Iterator[Fault]:
    """Yield one fault per row whose id an earlier row has."""
    own = "id" in table.columns
    hint = "make ids unique" if own else "add an id column or remove one row"
    first: dict[str, Row] = {}
    for row, key in zip(table.rows, table.column("id" if own else "path"), strict=True):
        if own and not key:
            yield Fault(table.source, row.line, "id is empty; write one, or remove the id column to use the paths")
        elif key in first:
            yield Fault(table.source, row.line, f"id {key!r} is also in line {first[key].line}; {hint}")
        else:
            first[key] = row


def _label_faults(table: Table) -> Iterator[Fault]:
    """Yield one fault per label that is trained on and judged: retrieval is tested on unseen classes.

    A closed set has none: a classifier is tested on the classes that it knows.
    """
    if table.is_closed_set():
        return
    first: dict[str, dict[str, int]] = defaultdict(dict)
    for row, label, split in zip(table.rows, table.column("label"), table.column("split"), strict=True):
        first[label].setdefault(split, row.line)
    for label, lines in first.items():
        for other in ("test", "val"):
            if label and "train" in lines and other in lines:
                seen, judged = lines["train"], lines[other]
                where = f" (line {seen}) and in {other} (line {judged})" if judged else f" and in {other}"
                text = f"label {label!r} is in train{where}; keep a class in one split"
                yield Fault(table.source, max(seen, judged), text)


def _file_faults(table: Table) -> Iterator[Fault]:
    """Yield the rows whose image is missing or has no byte."""
    for row, cell in zip(table.rows, table.column("path"), strict=True):
        path = table.path(cell)
        try:
            empty = bool(cell) and image_bytes(path) == 0
        except (OSError, ValueError):
            yield Fault(table.source, row.line, f"{path}: image not found; correct the path (relative to the table)")
            continue
        if empty:
            yield Fault(table.source, row.line, f"{path}: image has zero bytes; copy it again or remove the row")


def _image_faults(table: Table, track: Track) -> Iterator[Fault]:
    """Yield the rows whose image does not decode, lies outside its box, or is in train and test alike."""
    paths = [table.path(cell) for cell in table.column("path")]
    unique = [path for path in dict.fromkeys(paths) if _is_there(path)]
    chunks = [unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = {image.path: image for chunk in track(chunks) for image in pool.map(_decode, chunk)}
    boxes = zip(*(table.column(name) for name in BOX_COLUMNS), strict=True)
    trained = _first_lines(table, paths, images)
    for row, path, split, box in zip(table.rows, paths, table.column("split"), boxes, strict=True):
        image = images.get(path)
        if image is None:
            continue
        if image.error:
            yield Fault(table.source, row.line, f"{image.error}; replace the file or remove the row")
        elif _outside(box, image):
            size = f"{image.width_px} x {image.height_px} px"
            yield Fault(table.source, row.line, f"box {', '.join(box)} ends outside the image of {size}; correct it")
        if split == "test" and image.digest in trained:
            text = f"{path}: same bytes as a train image ({trained[image.digest]}); keep an image in one split"
            yield Fault(table.source, row.line, text)


def _is_there(path: Path) -> bool:
    """Say whether a file or a member of a tar holds bytes: the others are reported as files."""
    try:
        return image_bytes(path) > 0 and not path.is_dir()
    except (OSError, ValueError):
        return False


def _decode(path: Path) -> Decoded:
    """Decode one image completely, as the pipeline does."""
    try:
        image = open_rgba(path)
        return Decoded(path, image.width, image.height, image_digest(path))
    except (ManifestError, OSError) as error:
        return Decoded(path, error=str(error))


def _first_lines(table: Table, paths: list[Path], images: dict[Path, Decoded]) -> dict[str, str]:
    """Return where each image of the train split stands first: digest -> a line, or a path without lines."""
    first: dict[str, str] = {}
    for row, path, split in zip(table.rows, paths, table.column("split"), strict=True):
        if split == "train" and path in images and images[path].digest:
            first.setdefault(images[path].digest, f"line {row.line}" if row.line else str(path))
    return first


def _outside(cells: tuple[str, ...], image: Decoded) -> bool:
    """Say whether a well-formed box ends right of or below the image."""
    try:
        _, _, x_2, y_2 = parse_box(cells)
    except ValueError:
        return False  # reported as a cell
    return x_2 > image.width_px or y_2 > image.height_px
