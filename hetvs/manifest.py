"""The table of images: read, check, split, query / gallery."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hetvs.preprocess import Box


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
