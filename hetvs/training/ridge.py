"""The projection in closed form: the best linear map from trunk features to the teacher's vectors.

Before training it places the student near the space at once; after training it takes the last
residual out. It is the projection's own weight, so it costs nothing on the device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hetvs.encoders import batches
from hetvs.models.embedder import Embedder
from hetvs.progress import track
from hetvs.training.teacher_views import TeacherViews

PAIRS = 20_000  # of (view, vector) that a fit looks at, at most
BATCH = 256


def ridge(features_nH: Tensor, vectors_nD: Tensor, damping: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Return weight (D, D_h) and bias (D,) of least squares with an unpenalised bias, in float64.

    W = (H^T H + mu I)^-1 H^T G on centred features H, mu = damping * tr(H^T H) / D_h.
    """
    features, vectors = features_nH.double(), vectors_nD.double()
    mean_H, mean_D = features.mean(0), vectors.mean(0)
    centred = features - mean_H
    gram = centred.T @ centred
    mu = damping * gram.diagonal().mean()
    weight_HD = torch.linalg.solve(gram + mu * torch.eye(len(gram), dtype=gram.dtype), centred.T @ (vectors - mean_D))
    return weight_HD.T, mean_D - mean_H @ weight_HD


def fit_projection(model: Embedder, views: TeacherViews, *, device: str, training: bool) -> None:
    """Set the projection of `model` by ridge over the views; `training` says in which mode the trunk runs.

    Batch norm of an untrained trunk has no statistics yet: there the mode must be that of the steps to come.
    """
    model.train(training)
    rng = np.random.Generator(np.random.Philox(key=[0, 0]))
    features: list[Tensor] = []
    vectors: list[Tensor] = []
    with torch.no_grad():
        for epoch in range(max(1, min(views.distinct, PAIRS // len(views.store)))):
            chosen = rng.permutation(len(views.store))[:PAIRS]
            for images in track(batches(chosen, BATCH), "ridge fit of the projection"):
                pixels, teacher_BD = views.batch(images, epoch)
                features.append(model.features(pixels.to(device)).float().cpu())
                vectors.append(teacher_BD)
        weight, bias = ridge(torch.cat(features), torch.cat(vectors))
        model.projection.weight.copy_(weight)
        model.projection.bias.copy_(bias)
