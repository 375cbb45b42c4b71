"""The table of images: read, split, query / gallery, count.

The columns are `id` (optional, else the path as written), `path` (absolute or relative to the
table), `label`, `split`, and optionally `domain`, `is_query`, `is_gallery` and a box
`x_1, y_1, x_2, y_2` in pixels. Other columns are kept as text. Checks: `hetvs.manifest_check`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hetvs.errors import ConfigError, ManifestError
from hetvs.files import digest_bytes
from hetvs.manifest_check import BOOLEANS, BOX_COLUMNS, KNOWN_COLUMNS, parse_box, table_faults
from hetvs.manifest_table import SPLITS, Table, read_table
from hetvs.preprocess import Box
from hetvs.settings import did_you_mean

HALF = "half"  # a column that every manifest has


@dataclass(frozen=True)
class Manifest:
    """One image a row; every array has n entries.

    `boxes` is (n, 4) float, x_1 y_1 x_2 y_2 in pixels, NaN where a row has none. `extra` holds the
    columns that hetvs does not know by name (for example `core` and `style`), as text.
    """

    source: Path
    ids: np.ndarray
    paths: tuple[Path, ...]
    labels: np.ndarray
    domains: np.ndarray
    splits: np.ndarray
    is_query: np.ndarray
    is_gallery: np.ndarray
    boxes: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def box(self, row: int) -> Box | None:
        """Return the box of a row, or None."""
        x_1, y_1, x_2, y_2 = map(float, self.boxes[row])
        return None if np.isnan(x_1) else (x_1, y_1, x_2, y_2)

    def rows(self, split: str = "", where: str = "") -> np.ndarray:
        """Return the numbers (int64, ascending) of the rows in `split` that match `where`; empty takes all.

        `where` is "COLUMN=VALUE" or "COLUMN!=VALUE" over known and extra columns, or several of them
        between commas, all of which must match; is_query and is_gallery compare with 1 and 0. Raises
        ConfigError for an unknown column, and for a value that no row of the manifest has.
        """
        kept = np.ones(len(self), dtype=bool)
        if split:
            kept &= self.splits == split
        for condition in where.split(",") if where else []:
            kept &= self._matches(condition)
        return np.flatnonzero(kept).astype(np.int64)

    def column(self, name: str) -> np.ndarray:
        """Return a known or an extra column as text; is_query and is_gallery are 1 and 0.

        A manifest without a column "half" gets one: half of its classes, see `class_halves`.
        Raises ConfigError, with the nearest name, for an unknown column.
        """
        columns = {
            "id": self.ids,
            "label": self.labels,
            "domain": self.domains,
            "split": self.splits,
            "is_query": np.where(self.is_query, "1", "0"),
            "is_gallery": np.where(self.is_gallery, "1", "0"),
            **self.extra,
        }
        if name == HALF and HALF not in columns:
            return class_halves(self.labels)
        if name not in columns:
            raise ConfigError(f"{self.source}: column {name!r} is unknown{did_you_mean(name, list(columns))}")
        return columns[name]

    def _matches(self, condition: str) -> np.ndarray:
        """Return one boolean per row for a "COLUMN=VALUE" or "COLUMN!=VALUE"."""
        name, equals, value = condition.partition("=")
        if not equals:
            raise ConfigError(f"row filter {condition!r} is not COLUMN=VALUE, for example core=1")
        name, unlike = name.removesuffix("!"), name.endswith("!")
        column = self.column(name)
        matches: np.ndarray = column == value
        if not matches.any():
            seen = ", ".join(sorted({str(v) for v in column})[:5])
            raise ConfigError(f"{self.source}: no row has {name}={value!r}; the values are {seen}, ...")
        return ~matches if unlike else matches


def class_halves(labels: np.ndarray) -> np.ndarray:
    """Return "first" or "second" for each label, by the hash of its name; "" for no label.

    A class keeps its half when others come and go, so the halves are only about equal.

    >>> class_halves(np.array(["e", "f", "e", ""])).tolist()
    ['first', 'second', 'first', '']
    """
    hashed = {label: int(digest_bytes(label.encode())[-1], 16) % 2 for label in set(labels.tolist()) - {""}}
    half_of = {"": ""} | {label: ("first", "second")[bit] for label, bit in hashed.items()}
    return np.array([half_of[label] for label in labels.tolist()])


@dataclass(frozen=True)
class Summary:
    """What is in a manifest; `open_queries` are the queries whose label the gallery does not have."""

    images: int
    classes: int
    domains: int
    images_per_split: dict[str, int]
    classes_per_split: dict[str, int]
    queries: int
    gallery: int
    open_queries: int


def read_manifest(path: Path) -> Manifest:
    """Read a folder that holds manifest.csv or manifest.parquet, such a file, or a folder of class folders.

    Classes of a folder without train/val/test are split by the hash of their names (`split_of`).
    Without an `is_query` (`is_gallery`) column every val and test row is a query (in the gallery).
    Raises ManifestError, with the first fault and the number of others, for every fault that shows
    without decoding an image.
    """
    table = read_table(path)
    found = table_faults(table)
    if found:
        more = f" (and {len(found) - 1} more; see `hetvs data check {path}`)" if len(found) > 1 else ""
        raise ManifestError(f"{found[0]}{more}")
    judged = ["0" if split == "train" else "1" for split in table.column("split")]
    return Manifest(
        source=table.source,
        ids=np.array(table.column("id" if "id" in table.columns else "path")),
        paths=tuple(table.path(cell) for cell in table.column("path")),
        labels=np.array(table.column("label")),
        domains=np.array(table.column("domain")),
        splits=np.array(table.column("split")),
        is_query=_flags(table, "is_query", judged),
        is_gallery=_flags(table, "is_gallery", judged),
        boxes=np.array([parse_box(cells) for cells in zip(*map(table.column, BOX_COLUMNS), strict=True)]),
        extra={name: np.array(table.column(name)) for name in table.columns if name not in KNOWN_COLUMNS},
    )


def summary(manifest: Manifest) -> Summary:
    """Count classes, images, roles and domains."""
    gallery_labels = set(manifest.labels[manifest.is_gallery].tolist())
    images = Counter(manifest.splits.tolist())
    return Summary(
        images=len(manifest),
        classes=len(set(manifest.labels.tolist())),
        domains=len(set(manifest.domains.tolist()) - {""}),
        images_per_split={split: images[split] for split in SPLITS},
        classes_per_split={split: len(set(manifest.labels[manifest.splits == split].tolist())) for split in SPLITS},
        queries=int(manifest.is_query.sum()),
        gallery=int(manifest.is_gallery.sum()),
        open_queries=sum(label not in gallery_labels for label in manifest.labels[manifest.is_query].tolist()),
    )


def _flags(table: Table, name: str, default: list[str]) -> np.ndarray:
    """Return a boolean column, or `default` when the table does not have it."""
    cells = table.column(name) if name in table.columns else default
    return np.array([BOOLEANS[cell.lower()] for cell in cells])
