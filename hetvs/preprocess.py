"""Image file -> uint8 RGB at the model's size: the only resizer in the repo.

The resize contract, version `pad-bilinear-antialias-1`: apply the EXIF orientation, cut the box if
there is one (in pixels of the upright image, edges rounded half up), compose alpha on white, scale
the longer side to `size_px` (bilinear with antialias, half-pixel centres: Pillow's BILINEAR, whose
support grows with the scale; across first, then down), round the shorter side half up to at least
1 px, and centre the result on a white square (the odd pixel goes right / below). 16-bit grey is
divided by 257 and rounded. docs/resize.md says it to the last bit, for ports to other languages.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hetvs.errors import ManifestError
from hetvs.files import digest_json
from hetvs.shards import open_image, shard_of

RESIZE_CONTRACT = "pad-bilinear-antialias-1"
RESIZE_LEVELS = 1  # of 255: what a port may differ by
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What happens to an image before the first weight: it travels with the model.

    `size_px` and `resize` are the caller's part; `mean` and `std` (RGB, in units of 0..255) are
    inside the exported graph.
    """

    size_px: int
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    resize: str = RESIZE_CONTRACT

    def digest(self) -> str:
        """Return the sha256 of every field: part of the space's identity."""
        return digest_json(asdict(self))

    def read(self, path: Path, box: Box | None = None) -> np.ndarray:
        """Return the image at `path` as (size_px, size_px, 3) uint8 RGB, on white."""
        return np.array(fit_square(on_white(open_rgba(path, box)), self.size_px))


def open_rgba(path: Path, box: Box | None = None) -> Image.Image:
    """Decode `path`, a file or a member of a tar, upright as RGBA, cut to `box` (x_1, y_1, x_2, y_2 in pixels).

    Raises ManifestError when the file is missing, empty, not an image, larger than Pillow's limit, or
    holds floating-point pixels (which have no agreed range).
    """
    try:
        with Image.open(path if shard_of(path) is None else open_image(path)) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode == "F":
                raise ValueError("floating-point pixels; save it with 8 bits a channel")
            if image.mode.startswith("I"):
                image = _grey_8(image)
            rgba = image.convert("RGBA")
    except FileNotFoundError:
        raise ManifestError(f"{path}: image not found") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ManifestError(f"{path}: not a readable image: {error}") from error
    return rgba if box is None else rgba.crop(box_edges(box))


def box_edges(box: Box) -> tuple[int, int, int, int]:
    """Return the edges of a box as whole pixels, rounded half up.

    >>> box_edges((0.4, 0.5, 10.5, 11.0))
    (0, 1, 11, 11)
    """
    left, top, right, bottom = (math.floor(edge + 0.5) for edge in box)
    return left, top, right, bottom


def fit_square(image: Image.Image, size_px: int) -> Image.Image:
    """Scale the longer side of an RGB or RGBA `image` to `size_px` and centre it on white (RGBA: clear) ground."""
    if image.size == (size_px, size_px):
        return image
    longer = max(image.size)
    width, height = (max(1, (2 * side * size_px + longer) // (2 * longer)) for side in image.size)  # half up, exactly
    scaled = _scale(image, width, height)
    square = Image.new(image.mode, (size_px, size_px), (255, 255, 255, 0)[: len(image.mode)])
    square.paste(scaled, ((size_px - width) // 2, (size_px - height) // 2))
    return square


def _scale(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scale across, then down: in one call Pillow 13 picks the order by the sizes, and a level may change.

    Colours are weighed with their alpha, as Pillow does in one call.
    """
    work = image.convert("RGBa") if image.mode == "RGBA" else image
    across = work.resize((width, image.height), Image.Resampling.BILINEAR)
    return across.resize((width, height), Image.Resampling.BILINEAR).convert(image.mode)


def on_white(image: Image.Image) -> Image.Image:
    """Compose an RGBA image on white and return it as RGB."""
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def _grey_8(image: Image.Image) -> Image.Image:
    """Bring 16-bit grey to 8 bits: 65,535 is white. Pillow itself would clip at 255."""
    grey = np.asarray(image, dtype=np.float64) / 257
    return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
