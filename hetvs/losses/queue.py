"""The memory of the terms that look beyond a batch: the last vectors of the teacher."""

from __future__ import annotations

import torch
from torch import Tensor


class Queue:
    """The last S teacher vectors with the image and the class of each; fixed memory, first in first out."""

    def __init__(self, size: int, dim: int) -> None:
        self.keys_SD = torch.zeros(size, dim)
        self.images_S = torch.full((size,), -1, dtype=torch.int64)
        self.labels_S = torch.full((size,), -1, dtype=torch.int64)
        self.pushed = 0

    @property
    def full(self) -> bool:
        """Whether every slot holds a key: the terms that need keys start then."""
        return self.pushed >= len(self.keys_SD)

    def push(self, keys_BD: Tensor, images_B: Tensor, labels_B: Tensor) -> None:
        """Replace the oldest B keys, in new tensors: a loss may still need the old ones.

        Of a batch larger than the queue the last S keys stay.
        """
        size = len(self.keys_SD)
        slots = (self.pushed + torch.arange(len(keys_BD)))[-size:] % size
        self.keys_SD = self.keys_SD.index_copy(0, slots, keys_BD[-size:])
        self.images_S = self.images_S.index_copy(0, slots, images_B[-size:])
        self.labels_S = self.labels_S.index_copy(0, slots, labels_B[-size:])
        self.pushed += len(keys_BD)

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return {
            "keys": self.keys_SD,
            "images": self.images_S,
            "labels": self.labels_S,
            "pushed": torch.tensor(self.pushed),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the state of a checkpoint back."""
        self.keys_SD, self.images_S, self.labels_S = state["keys"], state["images"], state["labels"]
        self.pushed = int(state["pushed"])
