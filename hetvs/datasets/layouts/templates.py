"""Templates in the manner of IJB-B and IJB-C, 1:N: CSV files of template, subject, picture and box.

Maze and others, ICB 2018. `*gallery*.csv` are enrolled, `*probe*.csv` ask; they lie in the folder or in its
`protocol` or `protocols`, pictures in the folder or in its `images`. There is nothing to train on. A face
in several templates is one row with both roles, so that no face finds itself under another id; its
templates stand in a column, joined by "+".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hetvs.datasets.layouts.listing import Line, box_from_corner, read_text
from hetvs.datasets.layouts.row import LayoutRow
from hetvs.errors import ManifestError
from hetvs.settings import did_you_mean

COLUMNS = ("TEMPLATE_ID", "SUBJECT_ID", "FILENAME", "FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT")
HOMES = ("", "protocol", "protocols")
ROLES = {"gallery": "is_gallery", "probe": "is_query"}  # the word in the file's name -> the role of its faces


def read_templates(folder: Path) -> list[LayoutRow]:
    """Return every face once; ManifestError for a list or a column that is missing, or a face of two subjects."""
    pictures = folder / "images" if (folder / "images").is_dir() else folder
    faces: dict[str, LayoutRow] = {}
    for word in ROLES:
        for path in _lists(folder, word):
            for line in _lines(path):
                face = _face(pictures, line, word)
                faces[face.id] = _joined(faces[face.id], face) if face.id in faces else face
    return list(faces.values())


def _lists(folder: Path, word: str) -> list[Path]:
    """Return the lists of one role, in the order of their names."""
    found = sorted(path for home in HOMES for path in (folder / home).glob(f"*{word}*.csv"))
    if not found:
        raise ManifestError(
            f"{folder}: no *{word}*.csv in it, its protocol or its protocols; give the folder that holds them"
        )
    return found


def _lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a CSV whose header has our columns, in any order and case."""
    reader = csv.reader(io.StringIO(read_text(path)))
    header = [name.strip().upper() for name in next(reader, [])]
    for name in COLUMNS:
        if name not in header:
            raise ManifestError(f"{path}:1: column {name} is missing{did_you_mean(name, header)}")
    for cells in filter(None, reader):
        if len(cells) != len(header):
            raise ManifestError(
                f"{path}:{reader.line_num}: {len(cells)} cells under {len(header)} columns; correct the line"
            )
        yield Line(path, reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True)))


def _face(pictures: Path, line: Line, word: str) -> LayoutRow:
    template, subject, name, *place = (line.cells[column] for column in COLUMNS)
    return LayoutRow(
        origin=line.origin,
        id=f"{name}#{','.join(place)}",
        image=pictures / name,
        label=subject,
        judged=True,
        is_query=word == "probe",
        is_gallery=word == "gallery",
        box=box_from_corner(line.origin, place),
        extra={"template": template},
    )


def _joined(first: LayoutRow, again: LayoutRow) -> LayoutRow:
    """Return one row with the roles and the templates of both."""
    if first.label != again.label:
        raise ManifestError(
            f"{again.origin}: {again.id} is of subject {again.label}, in {first.origin} of {first.label}; correct one"
        )
    templates = first.extra["template"].split("+")
    new = again.extra["template"]
    return replace(
        first,
        is_query=first.is_query or again.is_query,
        is_gallery=first.is_gallery or again.is_gallery,
        extra={"template": "+".join(templates if new in templates else [*templates, new])},
    )
