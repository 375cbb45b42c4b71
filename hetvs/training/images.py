"""Training images in memory: decoded once, upright, square, with their alpha."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.config import LoopConfig
from hetvs.encoders import batches
from hetvs.errors import ManifestError
from hetvs.files import digest_bytes
from hetvs.manifest import Manifest, read_manifest
from hetvs.manifest_join import with_unlabelled
from hetvs.preprocess import fit_square, open_rgba
from hetvs.progress import track
from hetvs.shards import image_digest

MEMORY_BUDGET_BYTES = 6 << 30
DECODERS = 4
CHUNK = 256


class ImageStore:
    """The images of some rows of a manifest as (n, 4, S, S) uint8 RGBA, S = `source_px`.

    Images are decoded when first asked for and kept while all of them fit the memory budget;
    a larger set is decoded again each time, by threads (Pillow frees the interpreter).
    """

    def __init__(self, manifest: Manifest, rows: np.ndarray, source_px: int) -> None:
        self.manifest, self.rows, self.source_px = manifest, rows, source_px
        shape = (len(rows), 4, source_px, source_px)
        self._kept = np.empty(shape, np.uint8) if np.prod(shape) <= MEMORY_BUDGET_BYTES else None
        self._known = np.zeros(len(rows), bool)
        self._pool = ThreadPoolExecutor(DECODERS)

    def __len__(self) -> int:
        return len(self.rows)

    def preload(self) -> ImageStore:
        """Decode every image now, if all of them are kept: an unreadable one is found before the work starts."""
        if self._kept is not None and not self._known.all():
            for images in track(batches(np.arange(len(self)), CHUNK), "read images"):
                self._remember(images)
        return self

    def rgba(self, images: Sequence[int] | np.ndarray) -> Tensor:
        """Return (B, 4, S, S) uint8 for B positions in 0..n-1; ManifestError for an unreadable file."""
        positions = np.asarray(images)
        if self._kept is None:
            return torch.from_numpy(np.stack(list(self._pool.map(self._decode, positions))))
        self._remember(positions)
        return torch.from_numpy(self._kept[positions])

    def digest(self) -> str:
        """Return the sha256 over ids, boxes and the bytes of every image file, in row order."""
        digests = self._pool.map(image_digest, (self.manifest.paths[row] for row in self.rows))
        boxes = np.ascontiguousarray(self.manifest.boxes[self.rows], np.float64).tobytes()
        ids = "\n".join(self.manifest.ids[self.rows].tolist())
        return digest_bytes(ids.encode(), boxes, "".join(digests).encode())

    def _remember(self, positions: np.ndarray) -> None:
        """Decode those of `positions` that are not known yet."""
        assert self._kept is not None
        missing = np.unique(positions[~self._known[positions]])
        for position, pixels in zip(missing, self._pool.map(self._decode, missing), strict=True):
            self._kept[position] = pixels
        self._known[missing] = True

    def _decode(self, position: int) -> np.ndarray:
        row = int(self.rows[position])
        image = fit_square(open_rgba(self.manifest.paths[row], self.manifest.box(row)), self.source_px)
        return np.asarray(image).transpose(2, 0, 1)


def images_of(manifest: Manifest, config: LoopConfig) -> ImageStore:
    """Return the train images of `manifest`, and after them, without their labels, all those of `config.extra`."""
    rows = manifest.rows("train", config.rows)
    if not len(rows):
        raise ManifestError(f"{manifest.source}: no train image; check the split column and --rows")
    if config.extra:
        manifest = with_unlabelled(manifest, read_manifest(Path(config.extra)))
        rows = np.concatenate([rows, manifest.rows("train", "label=")])
    return ImageStore(manifest, rows, config.source_size)
