"""Features of a frozen trunk, computed once per augmented view."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hetvs.config import TeacherConfig
from hetvs.encoders import batches
from hetvs.models.embedder import Embedder
from hetvs.progress import track
from hetvs.training.augment import Augment, draws
from hetvs.training.images import ImageStore
from hetvs.training.precision import autocast

BATCH = 128


def cached_features(embedder: Embedder, store: ImageStore, augment: Augment, config: TeacherConfig) -> Tensor:
    """Return trunk features (V, n, D_h) float32 of V = config.views views of every image."""
    embedder.eval()
    views: list[Tensor] = []
    for view in range(config.views):
        features: list[Tensor] = []
        for images in track(batches(np.arange(len(store)), BATCH), f"features of view {view + 1}/{config.views}"):
            random = draws(config.seed, images, np.full(len(images), view))
            pixels = augment.render(store.rgba(images), random, config.img_size).to(config.device)
            with torch.inference_mode(), autocast(config.device, config.amp):
                features.append(embedder.features(pixels).float().cpu())
        views.append(torch.cat(features).clone())  # a clone outside inference mode may be trained on
    return torch.stack(views)
