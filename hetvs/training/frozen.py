"""Features of a frozen trunk, computed once per augmented view."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hetvs.config import TeacherConfig
from hetvs.models.embedder import Embedder
from hetvs.training.augment import Augment, draws
from hetvs.training.images import ImageStore
from hetvs.training.precision import autocast

BATCH = 128


def cached_features(embedder: Embedder, store: ImageStore, augment: Augment, config: TeacherConfig) -> Tensor:
    """Return trunk features (V, n, D_h) float32 of V = config.views views of every image."""
    from rich.progress import track

    embedder.eval()
    starts = range(0, len(store), BATCH)
    work = [
        (view, np.arange(start, min(start + BATCH, len(store)))) for view in range(config.views) for start in starts
    ]
    features: list[Tensor] = []
    for view, images in track(work, description="features of the frozen trunk"):
        random = draws(config.seed, images, np.full(len(images), view))
        pixels = augment.render(store.rgba(images), random, config.img_size).to(config.device)
        with torch.inference_mode(), autocast(config.device, config.amp):
            features.append(embedder.features(pixels).float().cpu())
    return torch.cat(features).clone().view(config.views, len(store), -1)
