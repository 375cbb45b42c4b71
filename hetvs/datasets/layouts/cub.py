"""CUB-200-2011 as retrieval: classes 1-100 train, 101-200 are judged; every test image asks all others.

Wah, Branson, Welinder, Perona, Belongie, 2011. `train_test_split.txt` is for classifiers and not read.
"""

from __future__ import annotations

from pathlib import Path

from hetvs.datasets.layouts.listing import Line, box_from_corner, by_key, partner, read_lines
from hetvs.datasets.layouts.row import LayoutRow
from hetvs.errors import ManifestError
from hetvs.preprocess import Box

CLASSES, FIRST_JUDGED = 200, 101
IMAGES, LABELS, BOXES = "images.txt", "image_class_labels.txt", "bounding_boxes.txt"
BOX_COLUMNS = ("image", "x", "y", "width", "height")


def read_cub(folder: Path) -> list[LayoutRow]:
    """Return whole images, as published tables have them; ManifestError for a list that is missing or off."""
    return [_row(folder, image, labelled, None) for image, labelled in _listed(folder)]


def read_cub_boxes(folder: Path) -> list[LayoutRow]:
    """Return the same images cut to their boxes, which `bounding_boxes.txt` must have for each."""
    boxes = by_key(read_lines(folder / BOXES, BOX_COLUMNS), "image")
    rows = []
    for image, labelled in _listed(folder):
        line = partner(image, boxes, "image", folder / BOXES)
        box = box_from_corner(line.origin, [line.cells[name] for name in BOX_COLUMNS[1:]])
        rows.append(_row(folder, image, labelled, box))
    return rows


def _listed(folder: Path) -> list[tuple[Line, Line]]:
    """Return the line of each image in both lists."""
    images = read_lines(folder / IMAGES, ("image", "path"))
    by_key(images, "image")
    labels = by_key(read_lines(folder / LABELS, ("image", "class")), "image")
    return [(image, partner(image, labels, "image", folder / LABELS)) for image in images]


def _row(folder: Path, image: Line, labelled: Line, box: Box | None) -> LayoutRow:
    number = labelled.whole("class")
    if not 1 <= number <= CLASSES:
        raise ManifestError(f"{labelled.origin}: class {number} is not in 1..{CLASSES}; unpack it again")
    return LayoutRow(
        origin=image.origin,
        id=image.cells["path"],
        image=folder / "images" / image.cells["path"],
        label=f"{number:03}",
        judged=number >= FIRST_JUDGED,
        box=box,
    )
