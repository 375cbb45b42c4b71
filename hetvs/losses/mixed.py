"""MixBCT: the head sees some of the batch as the old model does, so that one classifier serves both."""

from __future__ import annotations

from torch import Tensor


def mixed(vectors_BD: Tensor, old_BD: Tensor, chosen_B: Tensor) -> Tensor:
    """Return the new unit vectors (B, D) with those of the chosen rows (B,) replaced by the old ones.

    The old vectors are constants; a replaced row has no gradient, and the head's rows learn from it
    (MixBCT, yuleung/MixBCT).
    """
    return old_BD.detach().where(chosen_B[:, None], vectors_BD)
