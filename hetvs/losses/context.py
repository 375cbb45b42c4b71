"""The context: the student sees a queue of gallery vectors as the teacher sees it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

HIDDEN = -1e4  # instead of -inf, which makes 0 * log 0


class Queue:
    """The last S teacher vectors with the image each one came from; fixed memory, first in first out."""

    def __init__(self, size: int, dim: int) -> None:
        self.keys_SD = torch.zeros(size, dim)
        self.images_S = torch.full((size,), -1, dtype=torch.int64)
        self.pushed = 0

    @property
    def full(self) -> bool:
        """Whether every slot holds a key: the context term starts then."""
        return self.pushed >= len(self.keys_SD)

    def push(self, keys_BD: Tensor, images_B: Tensor) -> None:
        """Replace the oldest B keys, in new tensors: a loss may still need the old ones.

        Of a batch larger than the queue the last S keys stay.
        """
        size = len(self.keys_SD)
        slots = (self.pushed + torch.arange(len(keys_BD)))[-size:] % size
        self.keys_SD = self.keys_SD.index_copy(0, slots, keys_BD[-size:])
        self.images_S = self.images_S.index_copy(0, slots, images_B[-size:])
        self.pushed += len(keys_BD)

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return {"keys": self.keys_SD, "images": self.images_S, "pushed": torch.tensor(self.pushed)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the state of a checkpoint back."""
        self.keys_SD, self.images_S = state["keys"], state["images"]
        self.pushed = int(state["pushed"])


def context(
    query_BD: Tensor, teacher_BD: Tensor, keys_SD: Tensor, same_image_BS: Tensor, *, temperature: float = 0.07
) -> Tensor:
    """Mean KL divergence of softmax(g.K / tau) from softmax(q.K / tau) over the keys.

    All vectors are unit rows; `same_image_BS` is true where a key came from the query's own image:
    it is hidden from both sides. Zero, with zero gradient, at q = g. The queue form of contextual
    similarity distillation (Wu et al., CVPR 2022).
    """
    hide_BS = same_image_BS * HIDDEN
    student_BS = F.log_softmax(query_BD @ keys_SD.T / temperature + hide_BS, dim=-1)
    teacher_BS = F.log_softmax(teacher_BD @ keys_SD.T / temperature + hide_BS, dim=-1)
    return F.kl_div(student_BS, teacher_BS, log_target=True, reduction="batchmean")
