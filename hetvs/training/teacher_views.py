"""The teacher's vectors of several augmented views of each image, made once and kept in files.

A single vector per image overfits (Beyer et al., arXiv 2106.05237); a live teacher costs its whole
forward pass in every step. K views with their crops are the middle: the crop is drawn again from
its key, or read back when its pixels fit the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.arrays import load_array, save_array
from hetvs.encoders import Encoder, batches
from hetvs.errors import ArtifactError
from hetvs.files import read_json, write_json
from hetvs.progress import track
from hetvs.training.augment import Augment, downscale, draws
from hetvs.training.images import ImageStore

BATCH = 128
KEY_NAME = "views.json"
PIXEL_BUDGET_BYTES = 4 << 30


@dataclass(frozen=True)
class TeacherViews:
    """K views of n images: teacher vectors (K, n, D) float32 and the student's pixels of the same crops."""

    vectors_KnD: Tensor
    pixels: list[np.ndarray] | None  # K memory maps (n, 3, S, S) uint8, None when they exceed the budget
    store: ImageStore
    augment: Augment
    seed: int
    teacher_px: int
    student_px: int

    def batch(self, images_B: np.ndarray, views_B: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the student's pixels (B, 3, S, S) uint8 and the teacher's vectors (B, D) of B crops."""
        vectors = self.vectors_KnD[views_B, images_B]
        if self.pixels is not None:
            return torch.from_numpy(
                np.stack([self.pixels[v][i] for v, i in zip(views_B, images_B, strict=True)])
            ), vectors
        random = draws(self.seed, images_B, views_B)
        crops = self.augment.render(self.store.rgba(images_B), random, self.teacher_px)
        return downscale(crops, self.student_px), vectors


def teacher_views(
    folder: Path, teacher: Encoder, store: ImageStore, augment: Augment, *, views: int, seed: int, student_px: int
) -> TeacherViews:
    """Make or read back the cache in `folder`; a killed one goes on with the view it was at.

    Raises ArtifactError when `folder` holds views of other images, another teacher or other crops.
    """
    teacher_px = teacher.card.preprocess.size_px
    key = {
        "images": store.digest(),
        "teacher": teacher.card.weights_digest,
        "augmentation": augment.digest(),
        "seed": seed,
        "source_px": store.source_px,
        "teacher_px": teacher_px,
        "student_px": student_px,
    }
    _claim(folder, key)
    keep_pixels = views * len(store) * 3 * student_px**2 <= PIXEL_BUDGET_BYTES
    vectors: list[np.ndarray] = []
    for view in range(views):
        vector_path, pixel_path = folder / f"vectors_{view:03}.npy", folder / f"pixels_{view:03}.npy"
        if not vector_path.is_file():
            pixels, teacher_vectors = _make_view(teacher, store, augment, seed, view, student_px)
            if keep_pixels:
                save_array(pixel_path, pixels)
            save_array(vector_path, teacher_vectors)  # last: its presence says that the view is whole
        vectors.append(load_array(vector_path))
    maps = [np.load(folder / f"pixels_{v:03}.npy", mmap_mode="r") for v in range(views)] if keep_pixels else None
    return TeacherViews(torch.from_numpy(np.stack(vectors)), maps, store, augment, seed, teacher_px, student_px)


def _claim(folder: Path, key: dict[str, object]) -> None:
    """Write the key of a new cache, or refuse a folder whose key differs."""
    path = folder / KEY_NAME
    if not path.is_file():
        write_json(path, key)
        return
    stored = read_json(path)
    stale = [name for name, value in key.items() if stored.get(name) != value]
    if stale:
        raise ArtifactError(
            f"{folder}: cached views are stale (other {', '.join(stale)}); delete the folder and run again"
        )


def _make_view(
    teacher: Encoder, store: ImageStore, augment: Augment, seed: int, view: int, student_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return one view of all images: the student's pixels (n, 3, S, S) and the teacher's vectors (n, D)."""
    pixels: list[np.ndarray] = []
    vectors: list[np.ndarray] = []
    for images in track(batches(np.arange(len(store)), BATCH), f"teacher's view {view + 1}"):
        random = draws(seed, images, np.full(len(images), view))
        crops = augment.render(store.rgba(images), random, teacher.card.preprocess.size_px)
        vectors.append(teacher.encode(crops.permute(0, 2, 3, 1).numpy()))
        pixels.append(downscale(crops, student_px).numpy())
    return np.concatenate(pixels), np.concatenate(vectors)
