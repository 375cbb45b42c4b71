"""Photometric noise that the student alone sees: the teacher's vector stays that of the clean crop.

So the student learns to place a dim, tinted or half-covered picture where the teacher places the
good one; geometry is shared, or the target would be of another crop.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hetvs.training.augment import draws

FIRST_VIEW = 1 << 19  # of the noise's numbers: no crop's view comes near it
CONTRAST, BRIGHTNESS, TINT, GRAIN = 0.5, 0.25, 0.25, 0.08  # largest change at strength 1, of full scale
COVERED, BOX = 0.5, (0.15, 0.4)  # chance of a covered box, and its side as a share of the image's


def photometric(pixels_B3SS: Tensor, images_B: np.ndarray, *, seed: int, epoch: int, strength: float) -> Tensor:
    """Return uint8 pixels with another contrast, brightness, tint, grain and, at times, a grey box.

    Each is a function of (seed, image, epoch) but the grain, which is of torch's generator: the loop
    seeds it in every step. Strength 0 returns the pixels as they are.
    """
    if strength == 0:
        return pixels_B3SS
    uniform_BU = draws(seed, images_B, FIRST_VIEW + np.full(len(images_B), epoch))
    signed_BU = (2 * uniform_BU - 1)[:, :, None, None, None] * strength
    view = pixels_B3SS.float() / 255
    view = (view - 0.5) * (1 + CONTRAST * signed_BU[:, 0]) + 0.5 + BRIGHTNESS * signed_BU[:, 1]
    view = view * (1 + TINT * signed_BU[:, 2:5, 0])
    view = view + GRAIN * strength * uniform_BU[:, 5, None, None, None] * torch.randn_like(view)
    view = torch.where(_boxes(uniform_BU[:, 6:10], view.shape[-1], COVERED * strength), 0.5, view)
    return (view * 255).round_().clamp_(0, 255).to(torch.uint8)


def _boxes(uniform_B4: Tensor, side_px: int, chance: float) -> Tensor:
    """Return (B, 1, S, S) bool: the covered places, at `chance` a square anywhere."""
    on, size, centre_y, centre_x = uniform_B4.T[:, :, None]
    half = (BOX[0] + (BOX[1] - BOX[0]) * size) / 2
    place = (torch.arange(side_px) + 0.5) / side_px
    inside_y, inside_x = (place - centre_y).abs() < half, (place - centre_x).abs() < half
    covered: Tensor = (on < chance)[:, :, None] & inside_y[:, :, None] & inside_x[:, None, :]
    return covered[:, None]
