"""A teacher begins in the common space of several companions, instead of turning its own towards it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hetvs.encoders import batches
from hetvs.losses.prototypes import class_means
from hetvs.models.embedder import Embedder
from hetvs.models.heads import PrototypeHead
from hetvs.progress import track
from hetvs.training.companion import Companions
from hetvs.training.ridge import ridge
from hetvs.training.teacher_views import Crops

BATCH = 64


def settle(
    embedder: Embedder, head: PrototypeHead, companions: Companions, crops: Crops, labels_n: Tensor, *, size_px: int
) -> Companions:
    """Fit the common space on one view of every labelled image and move `embedder` and `head` into it.

    The projection is the ridge from the trunk's features to the companions' vectors, the prototypes are
    the means of those. `labels_n` are class numbers 0..C-1, every class at least once, and -1. Returns
    the fitted companions.
    """
    embedder.eval()
    device = next(embedder.parameters()).device
    together, features = [], []
    known = torch.nonzero(labels_n >= 0).flatten()
    with torch.no_grad():
        for images in track(batches(known.numpy(), BATCH), "common space of the companions"):
            pixels = crops.render(images, np.zeros_like(images), size_px)
            together.append(companions.together(pixels).cpu())
            features.append(embedder.features(pixels.to(device)).cpu())
        fitted = companions.fitted(torch.cat(together), embedder.projection.out_features)
        vectors_nD = fitted.place(torch.cat(together))
        weight, bias = ridge(torch.cat(features), vectors_nD)
        embedder.projection.weight.copy_(weight)
        embedder.projection.bias.copy_(bias)
        head.weight.copy_(class_means(vectors_nD, labels_n[known]))
    return fitted.to(device)
