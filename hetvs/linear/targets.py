"""What the linear problem is fitted to: tall one-hot rows, or the cloud's vectors at the network's own height."""

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
    """Return a * g (n, D), a = mean <f0, g>: the cloud's unit vectors at the least-squares height of the outputs.

    The norm takes the height off again after the solve. ConfigError when a <= 0: the start is not in that space.

    >>> cloud_targets(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 3.0]])).tolist()
    [[0.0, 3.0]]
    """
    height = (cloud_nD.double() * f0_nD.double()).sum(1).mean().item()
    if height <= 0:
        raise ConfigError(
            f"the start points away from the cloud's vectors (mean product {height:.3g}); start from a student of it"
        )
    return height * cloud_nD.double()
