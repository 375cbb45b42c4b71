"""Random views of an image, each a pure function of (seed, image, view): replayable, resumable.

A view is a crop (zoom, rotation, shift, aspect, shear), a change of colour, a ground under the
transparent parts, and an erased box. All numbers of a view come from a counter-based generator keyed by
seed, image and view, so the crop a teacher's vector was made from can be drawn again, and a
resumed run sees what the unkilled one would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.files import digest_json

DRAWS = 32  # uniform numbers a view may use
LUMA = (0.299, 0.587, 0.114)
MONO_SHARPNESS = 12.0  # slope of the threshold that turns a drawing into black and white


def draws(seed: int, images_B: np.ndarray, views_B: np.ndarray) -> Tensor:
    """Return (B, DRAWS) float32 in [0, 1): the randomness of each (seed, image, view)."""
    rows = [
        np.random.Generator(np.random.Philox(key=[seed, (int(image) << 20) + int(view)])).random(DRAWS, np.float32)
        for image, view in zip(images_B, views_B, strict=True)
    ]
    return torch.from_numpy(np.stack(rows))


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Ranges of a view. Lengths are shares of the image side, angles degrees, chances in 0..1.

    Colour: `hue` in half turns, `saturation` and `contrast` as factors around 1 (1 - x .. 1 + x),
    `brightness` in units of full scale; `grey`, `mono` and `invert` are chances of a grey, a
    two-tone and a negative image: some domains draw without colour.
    """

    zoom: tuple[float, float] = (0.75, 1.15)
    rotation: float = 15.0
    shift: float = 0.08
    aspect: float = 0.1
    shear: float = 0.1
    jitter: float = 0.8
    hue: float = 0.5
    saturation: float = 0.7
    contrast: float = 0.4
    brightness: float = 0.25
    grey: float = 0.3
    mono: float = 0.1
    invert: float = 0.05
    white_ground: float = 0.5
    grey_ground: float = 0.2
    erase: float = 0.0

    def digest(self) -> str:
        """Return the sha256 of every range: part of the key of cached views."""
        return digest_json(asdict(self))

    def render(self, rgba_B4SS: Tensor, draws_BU: Tensor, size_px: int) -> Tensor:
        """Return (B, 3, size_px, size_px) uint8 RGB views of uint8 RGBA images."""
        draw = iter(draws_BU.T)
        rgba = rgba_B4SS.float() / 255
        alpha = rgba[:, 3:]
        drawn = torch.cat([rgba[:, :3] * alpha, alpha], dim=1)  # premultiplied, so that blending at edges is right
        drawn = F.grid_sample(drawn, self._grid(draw, size_px), padding_mode="zeros", align_corners=False)
        colour, alpha = self._recolour(drawn[:, :3], drawn[:, 3:], draw), drawn[:, 3:]
        view = colour + (1 - alpha) * self._ground(draw)[:, :, None, None]
        return (self._erased(view, draw) * 255).round_().clamp_(0, 255).to(torch.uint8)

    def _grid(self, draw: Iterator[Tensor], size_px: int) -> Tensor:
        """Sampling grid (B, S, S, 2) of a random affine map; zoom above 1 shows the drawing larger."""
        zoom = torch.exp(_between(next(draw), math.log(self.zoom[0]), math.log(self.zoom[1])))
        angle = _between(next(draw), -self.rotation, self.rotation) * (math.pi / 180)
        aspect = torch.exp(_between(next(draw), -self.aspect, self.aspect))
        shear = _between(next(draw), -self.shear, self.shear)
        cosine, sine = angle.cos() / zoom, angle.sin() / zoom
        shift_x, shift_y = (2 * _between(next(draw), -self.shift, self.shift) for _ in range(2))
        rows = [
            torch.stack([cosine * aspect, shear - sine, shift_x], dim=-1),
            torch.stack([sine, cosine / aspect, shift_y], dim=-1),
        ]
        return F.affine_grid(torch.stack(rows, dim=1), [len(zoom), 1, size_px, size_px], align_corners=False)

    def _recolour(self, colour: Tensor, alpha: Tensor, draw: Iterator[Tensor]) -> Tensor:
        """Apply one affine colour map per image to premultiplied colour; then the two-tone images."""
        matrix_B33, offset_B = self._colour_map(draw)
        changed = torch.einsum("bij,bjhw->bihw", matrix_B33, colour)
        changed = changed + offset_B[:, None, None, None] * alpha
        changed = torch.minimum(changed.clamp_(min=0), alpha)
        chosen = next(draw) < self.mono
        threshold = _between(next(draw), 0.3, 0.7)[chosen, None, None, None]
        if chosen.any():
            luma = torch.einsum("c,bchw->bhw", torch.tensor(LUMA), colour[chosen])[:, None]
            ink = torch.sigmoid((luma - threshold * alpha[chosen]) * MONO_SHARPNESS) * alpha[chosen]
            changed[chosen] = ink.expand(-1, 3, -1, -1)
        return changed

    def _colour_map(self, draw: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
        """Return (B, 3, 3) and (B,): hue rotation about the grey axis, saturation, contrast, brightness."""
        on = (next(draw) < self.jitter).float()
        hue = on * _between(next(draw), -self.hue, self.hue) * math.pi
        saturation = 1 + on * _between(next(draw), -self.saturation, self.saturation)
        saturation = saturation * (next(draw) >= self.grey)
        contrast = 1 + on * _between(next(draw), -self.contrast, self.contrast)
        brightness = on * _between(next(draw), -self.brightness, self.brightness) + 0.5 * (1 - contrast)
        negative = next(draw) < self.invert
        contrast = torch.where(negative, -contrast, contrast)
        brightness = torch.where(negative, 1 - brightness, brightness)
        eye, third, k = torch.eye(3), torch.full((3, 3), 1 / 3), 1 / math.sqrt(3)
        cross = torch.tensor([[0, -k, k], [k, 0, -k], [-k, k, 0]])
        cosine, sine, s = hue.cos()[:, None, None], hue.sin()[:, None, None], saturation[:, None, None]
        rotate_B33 = cosine * eye + (1 - cosine) * third + sine * cross
        saturate_B33 = s * eye + (1 - s) * torch.tensor(LUMA).expand(3, 3)
        return contrast[:, None, None] * (saturate_B33 @ rotate_B33), brightness

    def _ground(self, draw: Iterator[Tensor]) -> Tensor:
        """Return (B, 3): white, a grey, or any colour."""
        kind = next(draw)[:, None]
        colour = torch.stack([next(draw) for _ in range(3)], dim=-1)
        ground = torch.where(kind < self.white_ground + self.grey_ground, colour[:, :1], colour)
        return torch.where(kind < self.white_ground, torch.ones(3), ground)

    def _erased(self, view: Tensor, draw: Iterator[Tensor]) -> Tensor:
        """Cover a random box of 0.1 to 0.35 of the side with one colour, at chance `erase`."""
        on = next(draw) < self.erase
        height, width = (_between(next(draw), 0.1, 0.35)[:, None] / 2 for _ in range(2))
        centre_y, centre_x = next(draw)[:, None], next(draw)[:, None]
        colour = torch.stack([next(draw) for _ in range(3)], dim=-1)
        place = (torch.arange(view.shape[-1]) + 0.5) / view.shape[-1]
        inside_y, inside_x = (place - centre_y).abs() < height, (place - centre_x).abs() < width
        inside = (inside_y[:, :, None] & inside_x[:, None, :] & on[:, None, None])[:, None]
        return torch.where(inside, colour[:, :, None, None], view)


# The image as it is, on white: what `hetvs data views` wrote is a view already.
WHOLE = Augment(
    zoom=(1.0, 1.0), rotation=0.0, shift=0.0, aspect=0.0, shear=0.0, jitter=0.0, grey=0.0, mono=0.0, invert=0.0,
    white_ground=1.0,
)  # fmt: skip


def downscale(pixels_B3SS: Tensor, size_px: int) -> Tensor:
    """Return uint8 pixels at `size_px`, bilinear with antialias, from the same crop at a larger size."""
    if pixels_B3SS.shape[-1] == size_px:
        return pixels_B3SS
    small = F.interpolate(pixels_B3SS.float(), size=(size_px, size_px), mode="bilinear", antialias=True)
    return small.round_().clamp_(0, 255).to(torch.uint8)


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    return low + uniform * (high - low)
