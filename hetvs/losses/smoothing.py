"""UniBCT's prototypes: old vectors smoothed over a graph of how the new model sees the same images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.losses.prototypes import class_means

TEMPERATURE = 0.05


def smoothed(new_nD: Tensor, old_nE: Tensor, share: float) -> Tensor:
    """Return V' = (1 - l) (I - l E)^-1 V_old, E = softmax(V_new V_new^T / .05) without its diagonal, l = `share`.

    Unit rows of n images, the two models' dimensions may differ. Rows of E sum to 1 and share < 1, so
    the inverse exists; share 0, or a single image, gives V_old back. Zhang et al., IJCAI 2022.
    """
    n = len(new_nD)
    if n == 1:
        return old_nE
    eye_nn = torch.eye(n, dtype=new_nD.dtype)
    similarity_nn = (new_nD @ new_nD.T / TEMPERATURE).masked_fill(eye_nn.bool(), -torch.inf)
    spread_nn = eye_nn - share * F.softmax(similarity_nn, dim=1)
    refined_nE: Tensor = torch.linalg.solve(spread_nn, (1 - share) * old_nE)
    return refined_nE


def smoothed_means(new_nD: Tensor, old_nE: Tensor, labels_n: Tensor, share: float) -> Tensor:
    """Return (C, E) unit class means of the old vectors, smoothed among the images of each class 0..C-1.

    The graph is that of a class, so that its cost does not grow with the square of the data set. Published
    details uncertain; this is our specification. Every class must have a vector.
    """
    refined_nE = old_nE.clone()
    for label in range(int(labels_n.max()) + 1):
        (members,) = torch.nonzero(labels_n == label, as_tuple=True)
        refined_nE[members] = smoothed(new_nD[members], old_nE[members], share)
    return class_means(refined_nE, labels_n)
