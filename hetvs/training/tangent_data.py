"""The images of a linear problem and their targets: pixels as evaluation sees them, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.artifacts import ModelCard, require_same_space
from hetvs.config import LinearConfig
from hetvs.encoders import Encoder, batches, open_encoder
from hetvs.errors import ConfigError, ManifestError
from hetvs.files import digest_bytes
from hetvs.linear.network import Linearised
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess
from hetvs.progress import track


@dataclass(frozen=True)
class Chosen:
    """The train images of a problem: row numbers of the manifest, ids, labels, and (n, 3, S, S) uint8 pixels."""

    rows: np.ndarray
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    pixels: Tensor

    def positions(self, ids: str) -> list[int]:
        """Return the positions of ids, commas between; ConfigError for one that is not among the images."""
        wanted = [part.strip() for part in ids.split(",") if part.strip()]
        strangers = [image_id for image_id in wanted if image_id not in self.ids]
        if strangers:
            raise ConfigError(f"without: {strangers[0]!r} is not among the {len(self.ids)} images that were fitted")
        if len(set(wanted)) == len(self.ids):
            raise ConfigError("without: every image is taken away; keep one")
        return [self.ids.index(image_id) for image_id in dict.fromkeys(wanted)]


def choose(manifest: Manifest, preprocess: Preprocess, config: LinearConfig) -> Chosen:
    """Draw the train images that the settings ask for and read them; ManifestError when there is none."""
    rows = manifest.rows("train", config.rows)
    if not len(rows):
        raise ManifestError(f"{manifest.source}: no train image; check the split column and --rows")
    rows = rows[drawn(manifest.ids[rows], manifest.labels[rows], config)]
    ids, labels = (tuple(column[rows].tolist()) for column in (manifest.ids, manifest.labels))
    return Chosen(rows, ids, labels, read_pixels(manifest, rows, preprocess, "read images"))


def drawn(ids: np.ndarray, labels: np.ndarray, config: LinearConfig) -> np.ndarray:
    """Return the positions of a draw, ascending: the same images whatever their order, nested as the count grows."""
    by_digest = sorted(range(len(ids)), key=lambda i: digest_bytes(f"{config.draw_seed} {ids[i]}".encode()))
    if config.per_class:
        counts: dict[str, int] = {}
        kept = []
        for position in by_digest:
            label = str(labels[position])
            counts[label] = counts.get(label, 0) + 1
            if counts[label] <= config.per_class:
                kept.append(position)
        by_digest = kept
    return np.sort(np.array(by_digest[: config.images or None], dtype=np.int64))


def read_pixels(manifest: Manifest, rows: np.ndarray, preprocess: Preprocess, what: str) -> Tensor:
    """Return the images of some rows as (n, 3, S, S) uint8, under a progress bar named `what`."""
    read: list[np.ndarray] = []
    for part in track(batches(rows, 64), what):
        read += [preprocess.read(manifest.paths[row], manifest.box(row)) for row in part]
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).contiguous()


def prefixes(net: Linearised, pixels_n: Tensor, batch: int) -> Tensor:
    """Return what the adapted layers see of the images: it never changes, so it is computed once."""
    with torch.no_grad():
        return torch.cat([net.prefix(part) for part in torch.split(pixels_n, batch)])


def open_cloud(teacher: Path | None, start: ModelCard, threads: int) -> Encoder | None:
    """Return the encoder of the cloud model, None without one; IncompatibleSpaceError when the start is elsewhere."""
    if teacher is None:
        return None
    encoder = open_encoder(teacher, threads=threads)
    require_same_space(start.space, encoder.card.space, start.name, str(teacher))
    return encoder


def cloud_vectors(encoder: Encoder, manifest: Manifest, rows: Sequence[int] | np.ndarray, what: str) -> Tensor:
    """Return the cloud's unit vectors (n, D) of some rows."""
    found = []
    for part in track(batches(np.asarray(rows), 64), what):
        pixels = [encoder.card.preprocess.read(manifest.paths[row], manifest.box(row)) for row in part]
        found.append(encoder.encode(np.stack(pixels)))
    return torch.from_numpy(np.concatenate(found))
