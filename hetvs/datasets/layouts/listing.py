"""Lists of a layout: lines of cells between blanks, each with its place for the message of a fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hetvs.errors import ManifestError
from hetvs.preprocess import Box


@dataclass(frozen=True)
class Line:
    """The cells of one line by the name of their column."""

    file: Path
    number: int
    cells: dict[str, str]

    @property
    def origin(self) -> str:
        """FILE:LINE."""
        return f"{self.file}:{self.number}"

    def whole(self, column: str) -> int:
        """Return a cell as a whole number; ManifestError with its line when it is none."""
        try:
            return int(self.cells[column])
        except ValueError:
            raise ManifestError(
                f"{self.origin}: {column} {self.cells[column]!r} is not a whole number; correct it"
            ) from None


def read_text(path: Path) -> str:
    """Return a list's text; ManifestError when it is not there or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ManifestError(f"{path}: not found; give the folder that holds {path.name}, unpacked") from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot read: {error.strerror}; check its permissions") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 at byte {error.start}; unpack it again") from error


def read_lines(path: Path, columns: Sequence[str], *, skip: int = 0, header: bool = False) -> list[Line]:
    """Return the lines of a list whose cells are `columns`, after `skip` lines and a `header` that names them.

    Blank lines are left out. Raises ManifestError, with the line, when the header is another one,
    when a line has more or fewer cells, and when no line is left.
    """
    numbered = list(enumerate(read_text(path).splitlines(), start=1))[skip:]
    if header:
        number, text = numbered.pop(0) if numbered else (skip + 1, "")
        if text.split() != list(columns):
            raise ManifestError(
                f"{path}:{number}: the header is {text.strip()!r}, not {' '.join(columns)!r}; unpack it again"
            )
    found = []
    for number, text in numbered:
        cells = text.split()
        if not cells:
            continue
        if len(cells) != len(columns):
            raise ManifestError(
                f"{path}:{number}: {len(cells)} cells, expected {len(columns)} ({' '.join(columns)}); correct the line"
            )
        found.append(Line(path, number, dict(zip(columns, cells, strict=True))))
    if not found:
        raise ManifestError(f"{path}: lists no image; unpack it again")
    return found


def by_key(lines: Sequence[Line], column: str) -> dict[str, Line]:
    """Return the lines by one cell; ManifestError when two lines share it."""
    found: dict[str, Line] = {}
    for line in lines:
        key = line.cells[column]
        if key in found:
            raise ManifestError(f"{line.origin}: {column} {key} is also in line {found[key].number}; remove one line")
        found[key] = line
    return found


def partner(line: Line, others: dict[str, Line], column: str, file: Path) -> Line:
    """Return the line of another list with the same cell; ManifestError names the list that lacks it."""
    key = line.cells[column]
    if key not in others:
        raise ManifestError(f"{file}: has no line for {column} {key} ({line.origin}); unpack it again")
    return others[key]


def box_from_corner(origin: str, corner_and_size: Sequence[str]) -> Box:
    """Return the box of "x y width height" in pixels, its corner moved into the image.

    ManifestError, with `origin`, when they are not four numbers or hold no pixel.

    >>> box_from_corner("boxes.txt:1", ("60.0", "27.0", "325.0", "304.0"))
    (60.0, 27.0, 385.0, 331.0)
    """
    try:
        x, y, width, height = map(float, corner_and_size)
    except ValueError:
        raise ManifestError(
            f"{origin}: box {' '.join(corner_and_size)!r} is not x y width height; correct it"
        ) from None
    box = (max(x, 0.0), max(y, 0.0), x + width, y + height)
    if not (box[2] - box[0] >= 1 and box[3] - box[1] >= 1):  # also refuses NaN
        raise ManifestError(f"{origin}: box {' '.join(corner_and_size)!r} holds no pixel; correct it")
    return box
