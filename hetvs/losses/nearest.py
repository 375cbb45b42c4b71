"""The teacher's nearest keys: the part of the queue where ranking is decided."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest(teacher_BD: Tensor, keys_SD: Tensor, same_image_BS: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the columns (B, K) of the K keys nearest to each teacher vector, and which are hidden (B, K).

    K = min(k, S). Keys of the same image come last: they are among the K only where no other is left.
    """
    score_BS = (teacher_BD @ keys_SD.T).masked_fill(same_image_BS, -torch.inf)
    near_BK = score_BS.topk(min(k, len(keys_SD)), dim=1).indices
    return near_BK, same_image_BS.gather(1, near_BK)
