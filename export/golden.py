"""Golden images: real pixels and the vectors PyTorch gives them, so that any device can test itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hetvs.errors import ManifestError
from hetvs.files import digest_bytes
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess

GOLDEN_IMAGES = 16
PARITY_IMAGES = 64


def parity_rows(manifest: Manifest) -> np.ndarray:
    """Return up to 64 row numbers of the val split (of all rows without one); the first 16 are golden.

    Raises ManifestError with fewer than 16 images: parity on less proves little.
    """
    rows = manifest.rows("val")
    if len(rows) < GOLDEN_IMAGES:
        rows = manifest.rows()
    if len(rows) < GOLDEN_IMAGES:
        raise ManifestError(f"{manifest.source}: {len(rows)} images, export needs {GOLDEN_IMAGES} real ones; add rows")
    order = spread([str(image_id) for image_id in manifest.ids[rows]])
    return rows[order[:PARITY_IMAGES]]


def spread(ids: Sequence[str]) -> list[int]:
    """Return the positions of `ids` in the order of their digests: the same draw whatever the row order.

    >>> ids = ["c", "a", "b"]
    >>> [ids[i] for i in spread(ids)] == [sorted(ids)[i] for i in spread(sorted(ids))]
    True
    """
    return sorted(range(len(ids)), key=lambda position: digest_bytes(ids[position].encode()))


def read_pixels(manifest: Manifest, rows: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Return the images of `rows` as (B, S, S, 3) uint8 RGB, by the one resize contract."""
    return np.stack([preprocess.read(manifest.paths[row], manifest.box(row)) for row in rows])
