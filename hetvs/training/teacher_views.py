"""What the teacher says of augmented views: live, or what it once said of the whole images.

The middle, K views that are made once and kept in files, is `hetvs.training.view_cache`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hetvs.encoders import Encoder, batches
from hetvs.progress import track
from hetvs.training.augment import Augment, downscale, draws
from hetvs.training.images import ImageStore

BATCH = 128


@dataclass(frozen=True)
class Crops:
    """The augmented crops of n images, each a function of (seed, image, view)."""

    store: ImageStore
    augment: Augment
    seed: int

    def render(self, images_B: np.ndarray, views_B: np.ndarray, size_px: int) -> Tensor:
        """Return (B, 3, size_px, size_px) uint8."""
        return self.augment.render(self.store.rgba(images_B), draws(self.seed, images_B, views_B), size_px)

    def small(self, images_B: np.ndarray, views_B: np.ndarray, size_px: int, teacher_px: int) -> Tensor:
        """Return (B, 3, size_px, size_px) uint8: the teacher's crop made smaller, or drawn anew where it is larger."""
        return downscale(self.render(images_B, views_B, max(size_px, teacher_px)), size_px)


class TeacherViews(ABC):
    """Views of n images as student and teacher see them."""

    crops: Crops

    @property
    def store(self) -> ImageStore:
        """The n images."""
        return self.crops.store

    @property
    @abstractmethod
    def distinct(self) -> int:
        """How many views of an image are worth asking for in a row."""

    @abstractmethod
    def batch(self, images_B: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the student's pixels (B, 3, S, S) uint8 and the teacher's vectors (B, D) of the same B views."""

    @abstractmethod
    def vectors(self) -> Tensor:
        """Return the teacher's vectors (K, n, D) of at least one view of every image."""


class LiveViews(TeacherViews):
    """A fresh view in every epoch, embedded by the teacher in the step that needs it.

    With `mixup` each view is mixed with its neighbour in the batch, half and half up to not at all
    (share U(0, 1)), and the teacher is asked about the mixture (Beyer et al., arXiv 2106.05237, section 3).
    """

    def __init__(self, crops: Crops, teacher: Encoder, student_px: int, *, mixup: bool) -> None:
        self.crops, self.teacher, self.student_px, self.mixup = crops, teacher, student_px, mixup
        crops.store.preload()

    @property
    def distinct(self) -> int:
        """1: each costs the teacher a pass."""
        return 1

    def batch(self, images_B: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Return pixels and vectors of view `epoch`."""
        views_B = np.full(len(images_B), epoch)
        teacher_px = self.teacher.card.preprocess.size_px
        pixels = self.crops.render(images_B, views_B, max(self.student_px, teacher_px))
        if self.mixup:
            share = draws(self.crops.seed, images_B, views_B)[:, -1, None, None, None]  # the last one is free
            pixels = (share * pixels + (1 - share) * pixels.roll(1, 0)).round_().to(torch.uint8)
        return downscale(pixels, self.student_px), encoded(self.teacher, downscale(pixels, teacher_px))

    def vectors(self) -> Tensor:
        """Return (1, n, D): the vectors of view 0, not mixed."""
        images = batches(np.arange(len(self.store)), BATCH)
        size_px = self.teacher.card.preprocess.size_px
        shown = track(images, "teacher's view 1")
        return torch.cat([encoded(self.teacher, self.crops.render(i, np.zeros_like(i), size_px)) for i in shown])[None]


@dataclass(frozen=True)
class StoredViews(TeacherViews):
    """A fresh view in every epoch, beside the teacher's vector of the whole image: all that a model left behind.

    Views are drawn at `drawn_px`, and made smaller where that is more than `student_px`.
    """

    crops: Crops
    vectors_nD: Tensor
    student_px: int
    drawn_px: int

    @property
    def distinct(self) -> int:
        """1: the vectors stay the same."""
        return 1

    def batch(self, images_B: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the pixels of view `epoch` and the vectors of the images."""
        pixels = self.crops.small(images_B, np.full(len(images_B), epoch), self.student_px, self.drawn_px)
        return pixels, self.vectors_nD[images_B]

    def vectors(self) -> Tensor:
        """Return (1, n, D)."""
        return self.vectors_nD[None]


def encoded(teacher: Encoder, pixels_B3SS: Tensor) -> Tensor:
    """Return the teacher's vectors (B, D) of pixels (B, 3, S, S) uint8."""
    return torch.from_numpy(teacher.encode(pixels_B3SS.permute(0, 2, 3, 1).numpy()))
