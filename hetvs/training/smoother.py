"""UniBCT's prototypes while a model trains: made anew after each epoch, from the vectors seen in it."""

from __future__ import annotations

import torch
from torch import Tensor

from hetvs.losses.prototypes import class_means
from hetvs.losses.smoothing import smoothed_means


class Smoother:
    """Remembers the last new vector of every image with an old one; an image not seen yet is left unsmoothed.

    `labels_n` are class numbers 0..C-1 of the `images` (positions in 0..N-1 of the training images).
    """

    def __init__(self, images: Tensor, old_nD: Tensor, labels_n: Tensor, size: int, share: float) -> None:
        self.images, self.old_nD, self.labels, self.share = images, old_nD, labels_n, share
        self.new_ND = torch.zeros(size, old_nD.shape[1])
        self.epoch = 0

    def remember(self, vectors_BD: Tensor, images_B: Tensor) -> None:
        """Keep the vectors of a batch."""
        self.new_ND = self.new_ND.index_copy(0, images_B, vectors_BD.detach().float().cpu())

    def rows(self, epoch: int) -> Tensor | None:
        """Return smoothed prototypes (C, D) in the first step of an epoch after the first one, else None."""
        if epoch == self.epoch:
            return None
        self.epoch = epoch
        new_nD = self.new_ND[self.images]
        seen = new_nD.any(dim=1)
        means_CD = class_means(self.old_nD, self.labels)
        here, numbers = torch.unique(self.labels[seen], return_inverse=True)
        means_CD[here] = smoothed_means(new_nD[seen], self.old_nD[seen], numbers, self.share)
        return means_CD

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return {"new": self.new_ND, "epoch": torch.tensor(self.epoch)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the state of a checkpoint back."""
        self.new_ND, self.epoch = state["new"], int(state["epoch"])
