"""Image file -> uint8 RGB at the model's size: the only resizer in the repo.

The resize contract, version `pad-bilinear-antialias-1`: apply the EXIF orientation, cut the box if
there is one, compose alpha on white, scale the longer side to `size_px` (bilinear with antialias,
half-pixel centres: Pillow's BILINEAR, whose support grows with the scale), round the shorter side
half up to at least 1 px, and centre the result on a white square (the odd pixel goes right / below).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hetvs.errors import ManifestError
from hetvs.files import digest_json

RESIZE_CONTRACT = "pad-bilinear-antialias-1"
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
        return flatten(fit_square(open_rgba(path, box), self.size_px))


def open_rgba(path: Path, box: Box | None = None) -> Image.Image:
    """Decode `path` upright as RGBA, cut to `box` (x_1, y_1, x_2, y_2 in pixels).

    Raises ManifestError when the file is missing, empty, or not an image.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I;16") or image.mode in ("I", "F"):  # 16-bit grey: keep the high byte
                image = Image.fromarray((np.asarray(image, dtype=np.float64) / 257).round().astype(np.uint8))
            rgba = image.convert("RGBA")
    except FileNotFoundError:
        raise ManifestError(f"{path}: image not found") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ManifestError(f"{path}: not a readable image: {error}") from error
    return rgba.crop(tuple(round(edge) for edge in box)) if box is not None else rgba  # type: ignore[arg-type]


def fit_square(image: Image.Image, size_px: int) -> Image.Image:
    """Scale the longer side of an RGBA `image` to `size_px` and centre it on transparent ground."""
    if image.size == (size_px, size_px):
        return image
    scale = size_px / max(image.size)
    width, height = (max(1, int(side * scale + 0.5)) for side in image.size)
    scaled = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=None)
    square = Image.new("RGBA", (size_px, size_px), (255, 255, 255, 0))
    square.paste(scaled, ((size_px - width) // 2, (size_px - height) // 2))
    return square


def flatten(image: Image.Image) -> np.ndarray:
    """Compose an RGBA image on white and return (H, W, 3) uint8."""
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(ground, image).convert("RGB"))
