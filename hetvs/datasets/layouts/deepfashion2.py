"""DeepFashion2, consumer to shop: `annos/*.json` beside `image/*.jpg`, a box per item; users ask, shops answer.

Ge, Zhang, Wu, Wang, Tang, Luo, CVPR 2019. Two items are one when their pictures have the same pair_id
and they the same style above 0; style 0 pairs with nothing and is left out. The published test split
has no annotations, so its validation is what is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hetvs.datasets.layouts.listing import box_from_corner
from hetvs.datasets.layouts.row import LayoutRow
from hetvs.errors import ArtifactError, ManifestError
from hetvs.files import read_json

PARTS = {"train": False, "validation": True}  # folder -> is it judged
DOMAINS = ("user", "shop")


def read_deepfashion2(folder: Path) -> list[LayoutRow]:
    """Return one row per item that pairs; ManifestError names the file and the field that is missing."""
    return [row for part, judged in PARTS.items() for row in _part(folder, part, judged)]


def _part(folder: Path, part: str, judged: bool) -> Iterator[LayoutRow]:
    files = sorted((folder / part / "annos").glob("*.json"))
    if not files:
        raise ManifestError(f"{folder / part / 'annos'}: holds no .json; give the folder with train and validation")
    for file in files:
        try:
            notes = read_json(file)
        except ArtifactError as error:
            raise ManifestError(f"{error}; unpack it again") from error
        source, pair = _field(notes, "source", str, file), _field(notes, "pair_id", int, file)
        if source not in DOMAINS:
            raise ManifestError(f"{file}: source {source!r} is neither user nor shop; correct it")
        for name in sorted(key for key in notes if key.startswith("item")):
            item, where = notes[name], f"{file}: {name}"
            style = _field(item, "style", int, where)
            if style < 1:
                continue
            yield LayoutRow(
                origin=where,
                id=f"{part}/{file.stem}#{name}",
                image=folder / part / "image" / f"{file.stem}.jpg",
                label=f"{pair}-{style}",
                judged=judged,
                is_query=source == "user",
                is_gallery=source == "shop",
                domain=source,
                box=_box(item, where),
                unit=str(pair),  # styles of one pair are near twins
                extra={"category": str(_field(item, "category_id", int, where))},
            )


def _box(item: Any, where: str) -> tuple[float, float, float, float]:
    """Return the box of an item, given as its two corners."""
    corners = _field(item, "bounding_box", list, where)
    if len(corners) != 4 or not all(isinstance(edge, int | float) for edge in corners):
        raise ManifestError(f"{where}: bounding_box {corners} is not four numbers; correct it")
    x_1, y_1, x_2, y_2 = corners
    return box_from_corner(where, [str(value) for value in (x_1, y_1, x_2 - x_1, y_2 - y_1)])


def _field(value: Any, name: str, kind: type[Any], where: Path | str) -> Any:
    """Return a field of a JSON object; ManifestError when it is missing or of another type."""
    if not isinstance(value, dict) or name not in value:
        raise ManifestError(f"{where}: has no {name}; unpack it again")
    if type(value[name]) is not kind:
        raise ManifestError(f"{where}: {name} is {value[name]!r}, expected {kind.__name__}; correct it")
    return value[name]
