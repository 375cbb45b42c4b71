"""What the linear problem is fitted to: tall one-hot rows, or the cloud's vectors, as long as the outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hetvs.errors import ConfigError


def label_targets(labels: Sequence[str], alpha: float) -> tuple[tuple[str, ...], Tensor]:
    """Return the classes, sorted, and alpha * one-hot (n, C) in float64 (Achille et al., section 3.2).

    >>> label_targets(["b", "a"], 15.0)[1].tolist()
    [[0.0, 15.0], [15.0, 0.0]]
    """
    classes, numbers = np.unique(np.asarray(labels), return_inverse=True)
    eye = alpha * torch.eye(len(classes), dtype=torch.float64)
    return tuple(classes.tolist()), eye[torch.from_numpy(numbers)]


def cloud_targets(cloud_nD: Tensor, f0_nD: Tensor) -> Tensor:
    """Return ||f0_i|| g_i (n, D): the cloud's unit vectors, each as long as the output of its own image.

    The norm takes the length off again after the solve, so none is to be learned: with one length for all, the fit
    came less near and cost more elsewhere (docs/decisions.md). ConfigError where the mean of <f0, g> is not above 0:
    the start is not in that space.

    >>> cloud_targets(torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 4.0]])).tolist()
    [[0.0, 5.0]]
    """
    cloud_nD, f0_nD = cloud_nD.double(), f0_nD.double()
    shared = (cloud_nD * f0_nD).sum(1).mean().item()
    if shared <= 0:
        raise ConfigError(
            f"the start points away from the cloud's vectors (mean product {shared:.3g}); start from a student of it"
        )
    lengths_n: Tensor = torch.linalg.vector_norm(f0_nD, dim=1)
    return lengths_n[:, None] * cloud_nD
