"""The val split, read while training: the same metrics as the report, on other images."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hetvs.encoders import Encoder, batches, embed
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess
from hetvs.retrieval.metrics import per_query
from hetvs.retrieval.search import Items, relevant_ranks

BATCH = 128


def read_pixels(manifest: Manifest, rows: np.ndarray, size_px: int) -> np.ndarray:
    """Return the images of some rows, (n, 3, S, S) uint8 as evaluation sees them, channels last in memory."""
    read = Preprocess(size_px=size_px).read
    return np.stack([read(manifest.paths[row], manifest.box(row)) for row in rows]).transpose(0, 3, 1, 2)


class Validation:
    """The val images of a manifest; each image asks the images of other domains, or all others.

    A manifest without a val split gives no vectors and no metrics.
    """

    def __init__(self, manifest: Manifest, where: str) -> None:
        self.manifest, self.rows = manifest, manifest.rows("val", where)
        self._pixels: dict[int, np.ndarray] = {}

    def vectors(self, model: nn.Module, size_px: int) -> np.ndarray:
        """Return the float32 unit vectors (n, D) of the val images; `model` is left in eval mode."""
        if not len(self.rows):
            return np.empty((0, 1), np.float32)
        model.eval()
        device = next(model.parameters()).device
        with torch.inference_mode():
            chunks = torch.split(torch.from_numpy(self.pixels(size_px)), BATCH)
            vectors: np.ndarray = torch.cat([model(chunk.to(device)).float().cpu() for chunk in chunks]).numpy()
        return vectors

    def pixels(self, size_px: int) -> np.ndarray:
        """Return the val images (n, 3, S, S) uint8 as evaluation sees them; read once for each size."""
        if size_px not in self._pixels:
            self._pixels[size_px] = read_pixels(self.manifest, self.rows, size_px)
        return self._pixels[size_px]

    def encoded(self, encoder: Encoder) -> np.ndarray:
        """Return the unit vectors (n, D) of the val images by an encoder."""
        return embed(encoder, self.manifest, batches(self.rows, BATCH)).vectors_ND

    def metrics(self, query_nD: np.ndarray, gallery_nD: np.ndarray, pair: str) -> dict[str, float]:
        """Return recall@1 and map of these vectors of the val images, keys `val/<pair>/<metric>`.

        Empty when no val image has a relevant one to find.
        """
        values = self.per_query(query_nD, gallery_nD)
        return {f"val/{pair}/{name}": round(float(values[name].mean()), 6) for name in ("recall@1", "map") if values}

    def per_query(self, query_nD: np.ndarray, gallery_nD: np.ndarray) -> dict[str, np.ndarray]:
        """Return recall@1 and map of each answerable val image, in one order for any vectors; empty without one."""
        domains = self.manifest.domains[self.rows]
        values: list[dict[str, np.ndarray]] = []
        for domain in np.unique(domains):
            asks = domains == domain
            asked = asks if asks.all() else ~asks
            ranks = relevant_ranks(self._items(query_nD, asks), self._items(gallery_nD, asked))
            if len(ranks.kept):
                values.append(per_query(ranks, (1,)))
        return {name: np.concatenate([v[name] for v in values]) for name in (values[0] if values else ())}

    def _items(self, vectors_nD: np.ndarray, chosen: np.ndarray) -> Items:
        rows = self.rows[chosen]
        return Items(vectors_nD[chosen], self.manifest.ids[rows], self.manifest.labels[rows])
