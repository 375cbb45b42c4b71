"""What the teacher says of augmented views: live, or of K views made once and kept in files.

A single vector per image overfits (Beyer et al., arXiv 2106.05237); a live teacher costs its whole
forward pass in every step. K views with their crops are the middle: the crop is drawn again from
its key, or read back when its pixels fit the budget.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.arrays import load_array, save_array
from hetvs.encoders import Encoder, batches
from hetvs.files import digest_json, write_json
from hetvs.progress import track
from hetvs.training.augment import Augment, downscale, draws
from hetvs.training.images import ImageStore

BATCH = 128
KEY_NAME = "views.json"
PIXEL_BUDGET_BYTES = 4 << 30


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
        return downscale(pixels, self.student_px), _encode(self.teacher, downscale(pixels, teacher_px))

    def vectors(self) -> Tensor:
        """Return (1, n, D): the vectors of view 0, not mixed."""
        images = batches(np.arange(len(self.store)), BATCH)
        size_px = self.teacher.card.preprocess.size_px
        shown = track(images, "teacher's view 1")
        return torch.cat([_encode(self.teacher, self.crops.render(i, np.zeros_like(i), size_px)) for i in shown])[None]


@dataclass(frozen=True)
class StoredViews(TeacherViews):
    """A fresh view in every epoch, beside the teacher's vector of the whole image: all that a model left behind."""

    crops: Crops
    vectors_nD: Tensor
    student_px: int

    @property
    def distinct(self) -> int:
        """1: the vectors stay the same."""
        return 1

    def batch(self, images_B: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the pixels of view `epoch` and the vectors of the images."""
        pixels = self.crops.render(images_B, np.full(len(images_B), epoch), self.student_px)
        return pixels, self.vectors_nD[images_B]

    def vectors(self) -> Tensor:
        """Return (1, n, D)."""
        return self.vectors_nD[None]


@dataclass(frozen=True)
class CachedViews(TeacherViews):
    """K views of n images: teacher vectors (K, n, D) float32 and the student's pixels of the same crops."""

    vectors_KnD: Tensor
    pixels: list[np.ndarray] | None  # K memory maps (n, 3, S, S) uint8, None when they exceed the budget
    crops: Crops
    teacher_px: int
    student_px: int

    @property
    def distinct(self) -> int:
        """K."""
        return len(self.vectors_KnD)

    def batch(self, images_B: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Return pixels and vectors; neighbours show different views, and an image another one in each epoch."""
        views_B = (images_B + epoch) % self.distinct
        vectors_BD = self.vectors_KnD[views_B, images_B]
        if self.pixels is None:
            return self.crops.small(images_B, views_B, self.student_px, self.teacher_px), vectors_BD
        kept = np.stack([self.pixels[view][image] for view, image in zip(views_B, images_B, strict=True)])
        return torch.from_numpy(kept), vectors_BD

    def vectors(self) -> Tensor:
        """Return (K, n, D)."""
        return self.vectors_KnD


def cached_views(folder: Path, teacher: Encoder, crops: Crops, *, views: int, student_px: int) -> CachedViews:
    """Make or read back the views below `folder`; a killed run goes on with the view it was at.

    They lie in a folder named by the digest of images, teacher, augmentation and seed, so that runs
    can share them and stale ones are never read; more views, or another `student_px`, add to it. Images
    are decoded only when a view is missing.
    """
    teacher_px = teacher.card.preprocess.size_px
    key = {
        "images": crops.store.digest(),
        "teacher": teacher.card.weights_digest,
        "augmentation": crops.augment.digest(),
        "seed": crops.seed,
        "source_px": crops.store.source_px,
        "teacher_px": teacher_px,
    }
    home = folder / digest_json(key)[:16]
    if not (home / KEY_NAME).is_file():
        write_json(home / KEY_NAME, key)
    keep_pixels = views * len(crops.store) * 3 * student_px**2 <= PIXEL_BUDGET_BYTES
    vectors: list[np.ndarray] = []
    maps: list[np.ndarray] = []
    for view in range(views):
        vector_path, pixel_path = home / f"vectors_{view:03}.npy", home / f"pixels_{student_px}_{view:03}.npy"
        if not vector_path.is_file():
            save_array(vector_path, _vectors(teacher, crops, view))
        if keep_pixels and not pixel_path.is_file():
            save_array(pixel_path, _pixels(crops, view, teacher_px, student_px))
        vectors.append(load_array(vector_path))
        if keep_pixels:
            maps.append(np.load(pixel_path, mmap_mode="r"))
    return CachedViews(torch.from_numpy(np.stack(vectors)), maps or None, crops, teacher_px, student_px)


def _vectors(teacher: Encoder, crops: Crops, view: int) -> np.ndarray:
    """Return the teacher's vectors (n, D) of one view of all images."""
    shown = track(batches(np.arange(len(crops.store.preload())), BATCH), f"teacher's view {view + 1}")
    size_px = teacher.card.preprocess.size_px
    return np.concatenate([_encode(teacher, crops.render(i, np.full_like(i, view), size_px)).numpy() for i in shown])


def _pixels(crops: Crops, view: int, teacher_px: int, student_px: int) -> np.ndarray:
    """Return the student's pixels (n, 3, S, S) of one view of all images."""
    shown = track(batches(np.arange(len(crops.store.preload())), BATCH), f"student's view {view + 1}")
    return np.concatenate([crops.small(i, np.full_like(i, view), student_px, teacher_px).numpy() for i in shown])


def _encode(teacher: Encoder, pixels_B3SS: Tensor) -> Tensor:
    return torch.from_numpy(teacher.encode(pixels_B3SS.permute(0, 2, 3, 1).numpy()))
