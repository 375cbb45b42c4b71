"""Golden images: real pictures and the vectors PyTorch gives them, so that any device can test itself."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hetvs.errors import ManifestError
from hetvs.files import digest_bytes
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess, fit_square, on_white, open_rgba

GOLDEN_IMAGES = 16
PARITY_IMAGES = 64
GOLDEN_FILES = 2  # cuts of golden images, kept as PNG: they test a resizer, which ready pixels cannot


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


def golden_cuts(manifest: Manifest, rows: np.ndarray, size_px: int) -> list[Image.Image]:
    """Return two cuts (RGBA, middle, own size) of the images of `rows` with the most detail, a wide and a tall one."""
    images = [open_rgba(manifest.paths[row], manifest.box(row)) for row in rows]
    wide = [_cut(image, *cut_sides(*image.size, size_px)[0]) for image in images]
    first, second = sorted(range(len(images)), key=lambda i: -_detail(wide[i], size_px))[:GOLDEN_FILES]
    return [wide[first], _cut(images[second], *cut_sides(*images[second].size, size_px)[1])]


def cut_sides(width: int, height: int, size_px: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (width, height) of a wide cut, to be shrunk if the image allows it, and of a tall one, to be enlarged.

    Neither has the model's size as its longer side: a resizer that is off must show.

    >>> cut_sides(96, 96, 48), cut_sides(48, 48, 48)
    (((96, 60), (18, 30)), ((47, 30), (18, 30)))
    """
    wide = min(width, 2 * size_px), max(1, min(height, 2 * size_px) * 5 // 8)
    tall = max(1, min(width, size_px) * 3 // 8), max(1, min(height, size_px) * 5 // 8)
    if max(wide) == size_px > 1:
        wide = min(wide[0], size_px - 1), min(wide[1], size_px - 1)
    return wide, tall


def png_bytes(image: Image.Image) -> bytes:
    """Return an RGBA image as PNG, without its alpha where that is full."""
    stream = io.BytesIO()
    opaque = image.getchannel("A").getextrema() == (255, 255)
    (image.convert("RGB") if opaque else image).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def cut_pixels(image: Image.Image, size_px: int) -> np.ndarray:
    """Return a cut as (S, S, 3) uint8 RGB, by the resize contract: what `Preprocess.read` makes of its file."""
    return np.asarray(fit_square(on_white(image), size_px))


def _cut(image: Image.Image, width: int, height: int) -> Image.Image:
    """Cut the middle out of an image."""
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _detail(image: Image.Image, size_px: int) -> float:
    """Return the mean step between neighbours across, in levels: where there is none, every resizer agrees."""
    return float(np.abs(np.diff(cut_pixels(image, size_px).astype(int), axis=1)).mean())
