"""In-Shop Clothes Retrieval of DeepFashion: `list_eval_partition.txt` says train, query or gallery.

Liu, Luo, Qiu, Wang, Tang, CVPR 2016. The list lies in the folder or in its `Eval`, pictures in the
folder or in its `Img`.
"""

from __future__ import annotations

from pathlib import Path

from hetvs.datasets.layouts.listing import Line, read_lines
from hetvs.datasets.layouts.row import LayoutRow
from hetvs.errors import ManifestError
from hetvs.settings import did_you_mean

PARTITION = "list_eval_partition.txt"
COLUMNS = ("image_name", "item_id", "evaluation_status")
STATUSES = ("train", "query", "gallery")


def read_inshop(folder: Path) -> list[LayoutRow]:
    """Return every image of the list; ManifestError where the list or its count is off."""
    path = _first(folder, "Eval", PARTITION)
    lines = read_lines(path, COLUMNS, skip=1, header=True)
    count = path.read_text(encoding="utf-8-sig").splitlines()[0].strip()
    if count != str(len(lines)):
        raise ManifestError(f"{path}:1: says {count!r} images, {len(lines)} are listed; unpack it again")
    pictures = _first(folder, "Img", "img").parent
    return [_row(pictures, line) for line in lines]


def _row(pictures: Path, line: Line) -> LayoutRow:
    name, label, status = (line.cells[column] for column in COLUMNS)
    if status not in STATUSES:
        raise ManifestError(
            f"{line.origin}: evaluation_status {status!r} is unknown{did_you_mean(status, list(STATUSES))}"
        )
    return LayoutRow(
        origin=line.origin,
        id=name,
        image=pictures / name,
        label=label,
        judged=status != "train",
        is_query=status != "gallery",
        is_gallery=status != "query",
    )


def _first(folder: Path, within: str, name: str) -> Path:
    """Return FOLDER/WITHIN/NAME where it is there, else FOLDER/NAME."""
    inner = folder / within / name
    return inner if inner.exists() else folder / name
