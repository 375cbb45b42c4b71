"""K views of each image, made once by the teacher and kept in files that runs and processes share.

A single vector per image overfits (Beyer et al., arXiv 2106.05237); a live teacher costs its whole
forward pass in every step. K views with their crops are the middle: the crop is drawn again from
its key, or read back when its pixels fit the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.arrays import load_array
from hetvs.encoders import Encoder, batches
from hetvs.files import digest_json, write_json
from hetvs.progress import track
from hetvs.training.made_once import make_missing
from hetvs.training.teacher_views import BATCH, Crops, TeacherViews, encoded

KEY_NAME = "views.json"
PIXEL_BUDGET_BYTES = 4 << 30
PART = 256 * BATCH  # images in a file: what one of several processes makes at a time


@dataclass(frozen=True)
class CachedViews(TeacherViews):
    """K views of n images: teacher vectors (K, n, D) float32 and the student's pixels of the same crops."""

    vectors_KnD: Tensor
    pixels: list[list[np.ndarray]] | None  # K views in memory maps (PART, 3, S, S) uint8, None beyond the budget
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
        places = zip(views_B, images_B // PART, images_B % PART, strict=True)
        return torch.from_numpy(np.stack([self.pixels[view][part][image] for view, part, image in places])), vectors_BD

    def vectors(self) -> Tensor:
        """Return (K, n, D)."""
        return self.vectors_KnD


def cached_views(folder: Path, teacher: Encoder, crops: Crops, *, views: int, student_px: int) -> CachedViews:
    """Make or read back the views below `folder`; a killed run goes on with the file it was at.

    They lie in a folder named by the digest of images, teacher, augmentation and seed, so that runs
    can share them and stale ones are never read; more views, or another `student_px`, add to it. Images
    are decoded only when a file is missing. Runs, and the processes of one, that come at the same time divide
    the files among them and wait for each other.
    """
    teacher_px, n = teacher.card.preprocess.size_px, len(crops.store)
    home = _home(folder, teacher, crops)
    parts = [np.arange(start, min(start + PART, n)) for start in range(0, n, PART)]
    vector_files = _files(home, "vectors", views, len(parts))
    keeps_pixels = views * n * 3 * student_px**2 <= PIXEL_BUDGET_BYTES
    pixel_files = _files(home, f"pixels_{student_px}", views if keeps_pixels else 0, len(parts))
    makers: dict[Path, Callable[[], np.ndarray]] = {}
    for view, row in enumerate(vector_files):
        makers |= {path: partial(_vectors, teacher, crops, i, view) for path, i in zip(row, parts, strict=True)}
    for view, row in enumerate(pixel_files):
        makers |= {
            path: partial(_pixels, crops, i, view, teacher_px, student_px) for path, i in zip(row, parts, strict=True)
        }
    make_missing(makers)
    vectors_KnD = np.stack([np.concatenate([load_array(path) for path in row]) for row in vector_files])
    pixels = [[np.load(path, mmap_mode="r") for path in row] for row in pixel_files]
    return CachedViews(torch.from_numpy(vectors_KnD), pixels or None, crops, teacher_px, student_px)


def _home(folder: Path, teacher: Encoder, crops: Crops) -> Path:
    """Return the folder of these images, this teacher and this augmentation, with its key in it."""
    key = {
        "images": crops.store.digest(),
        "teacher": teacher.card.weights_digest,
        "augmentation": crops.augment.digest(),
        "seed": crops.seed,
        "source_px": crops.store.source_px,
        "teacher_px": teacher.card.preprocess.size_px,
    }
    if len(crops.store) > PART:
        key["part"] = PART  # only there do its files differ by it
    home = folder / digest_json(key)[:16]
    if not (home / KEY_NAME).is_file():
        write_json(home / KEY_NAME, key)
    return home


def _files(home: Path, kind: str, views: int, parts: int) -> list[list[Path]]:
    """Return the files of each view; the first part, which is the only one of most sets, has no number.

    >>> [[path.name for path in row] for row in _files(Path(), "vectors", 2, 2)]
    [['vectors_000.npy', 'vectors_000_00001.npy'], ['vectors_001.npy', 'vectors_001_00001.npy']]
    """
    numbers = ["", *(f"_{part:05}" for part in range(1, parts))]
    return [[home / f"{kind}_{view:03}{number}.npy" for number in numbers] for view in range(views)]


def _vectors(teacher: Encoder, crops: Crops, images: np.ndarray, view: int) -> np.ndarray:
    """Return the teacher's vectors (n, D) of one view of `images`."""
    crops.store.preload()
    size_px = teacher.card.preprocess.size_px
    shown = track(batches(images, BATCH), f"teacher's view {view + 1}")
    return np.concatenate([encoded(teacher, crops.render(i, np.full_like(i, view), size_px)).numpy() for i in shown])


def _pixels(crops: Crops, images: np.ndarray, view: int, teacher_px: int, student_px: int) -> np.ndarray:
    """Return the student's pixels (n, 3, S, S) of one view of `images`."""
    crops.store.preload()
    shown = track(batches(images, BATCH), f"student's view {view + 1}")
    return np.concatenate([crops.small(i, np.full_like(i, view), student_px, teacher_px).numpy() for i in shown])
