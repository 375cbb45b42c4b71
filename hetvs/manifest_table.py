"""A table of images as it was written: CSV, Parquet or class folders, before any check of its cells."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hetvs.errors import ArtifactError, ManifestError
from hetvs.files import read_json

SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
FOLDER_COLUMNS = ("path", "label", "split")
FACTS_FILE = (
    "dataset.json"  # beside a table: {"closed_set": true} for a classifier's, whose test classes are trained on
)


@dataclass(frozen=True)
class Row:
    """The cells of one image as text.

    `line` is the line of a CSV, the row (from 1) of a Parquet, and 0 for a file in a class folder.
    """

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows under their header; relative paths start at `folder`, where `dataset.json` may say what they are for."""

    source: Path
    folder: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str, default: str = "") -> list[str]:
        """Return one column, or `default` in every row when the table does not have it."""
        if name not in self.columns:
            return [default] * len(self.rows)
        place = self.columns.index(name)
        return [row.cells[place] for row in self.rows]

    def is_closed_set(self) -> bool:
        """Say whether classes are judged that are trained on: `closed_set` in `dataset.json`, False without one.

        Raises ManifestError when that file is not a JSON object, or says neither true nor false.
        """
        facts = self.folder / FACTS_FILE
        if not facts.is_file():
            return False
        try:
            told = read_json(facts)
        except ArtifactError as error:
            raise ManifestError(f"{error}; correct it or remove it") from error
        closed = told.get("closed_set", False) if isinstance(told, dict) else None
        if not isinstance(closed, bool):
            raise ManifestError(f"{facts}: closed_set is not true or false; correct it or remove the file")
        return closed

    def path(self, cell: str) -> Path:
        """Return the file that a cell of the path column names."""
        return self.folder / cell


def read_table(path: Path) -> Table:
    """Read the table at `path`: a .csv, a .parquet, a folder that holds one, or a folder of class folders.

    Raises ManifestError when there is nothing to read at `path`.
    """
    if path.is_dir():
        found = [path / name for name in ("manifest.csv", "manifest.parquet") if (path / name).is_file()]
        if len(found) > 1:
            raise ManifestError(f"{path}: holds manifest.csv and manifest.parquet; name the file that you mean")
        return read_table(found[0]) if found else _read_folders(path)
    if not path.exists():
        raise ManifestError(
            f"{path}: not found; give a manifest.csv, a manifest.parquet, or a folder of class folders, "
            "or run `hetvs data fetch emoji -o DIR`"
        )
    if path.suffix == ".csv":
        return _read_csv(path)
    if path.suffix == ".parquet":
        return _read_parquet(path)
    raise ManifestError(f"{path}: neither .csv nor .parquet; convert the table, or give its folder")


def _read_csv(path: Path) -> Table:
    """Read a CSV; a row of another length than the header is kept as it is and becomes a fault."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            columns = tuple(name.strip() for name in next(reader, ()))
            rows = tuple(Row(reader.line_num, tuple(cell.strip() for cell in cells)) for cells in reader if cells)
    except OSError as error:
        raise ManifestError(f"{path}: cannot read: {error.strerror}; check its permissions") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except csv.Error as error:
        raise ManifestError(f"{path}: not CSV: {error}; save it with commas and double quotes") from error
    return Table(path, path.parent, columns, rows)


def _read_parquet(path: Path) -> Table:
    """Read a Parquet file; null and NaN become empty cells, everything else its text."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise ManifestError(f"{path}: reading Parquet needs pyarrow; run `pip install 'hetvs[parquet]'`") from None
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise ManifestError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}; write it again") from error
    columns = [["" if cell is None or cell != cell else str(cell) for cell in column.to_pylist()] for column in table]
    rows = tuple(Row(line, cells) for line, cells in enumerate(zip(*columns, strict=True), start=1))
    return Table(path, path.parent, tuple(table.column_names), rows)


def _read_folders(folder: Path) -> Table:
    """Read FOLDER/SPLIT/CLASS/image, or FOLDER/CLASS/image and split the classes by the hash of their names.

    It is the first layout when a sub-folder named train, val or test holds folders itself.
    """
    split_first = any(child for name in SPLITS for child in _folders(folder / name))
    classes = (
        [(child, split.name) for split in _folders(folder) for child in _folders(split)]
        if split_first
        else [(child, split_of(child.name)) for child in _folders(folder)]
    )
    rows = tuple(
        Row(0, (image.relative_to(folder).as_posix(), child.name, split))
        for child, split in classes
        for image in sorted(child.iterdir())
        if image.suffix.lower() in IMAGE_SUFFIXES and not image.name.startswith(".")
    )
    if not rows:
        raise ManifestError(f"{folder}: no manifest.csv, no manifest.parquet and no class folders with images in it")
    return Table(folder, folder, FOLDER_COLUMNS, rows)


def _folders(folder: Path) -> list[Path]:
    """Return the visible sub-folders in the order of their names; none when `folder` is not there."""
    return sorted(p for p in folder.glob("*") if p.is_dir() and not p.name.startswith("."))


def split_of(label: str) -> str:
    """Return the split of a class: sha256 of its name mod 100; below 50 train, below 60 val, else test.

    It does not depend on the other classes, so a class that is added moves no other one.

    >>> [split_of(name) for name in ("cat", "chair", "cup")]
    ['test', 'train', 'train']
    """
    share = percentile_of(label)
    return "train" if share < 50 else "val" if share < 60 else "test"


def percentile_of(name: str) -> int:
    """Return sha256 of `name` mod 100: a draw that is the same everywhere and that no other name moves.

    >>> percentile_of("cat")
    66
    """
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV, its columns first.

    >>> table_text(("id", "label"), [("a", "x, y")])
    'id,label\\na,"x, y"\\n'
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return stream.getvalue()
