"""Regression-alleviating compatible training: a query beats old and new vectors of other classes alike."""

from __future__ import annotations

import torch
from torch import Tensor


def ract(
    query_BD: Tensor,
    teacher_BD: Tensor,
    labels_B: Tensor,
    keys_SD: Tensor,
    key_labels_S: Tensor,
    *,
    temperature: float = 0.05,
    hardest: int = 10,
) -> Tensor:
    """Mean of -log e^(n.o/tau) / (e^(n.o/tau) + sum e^(n.o_k/tau) + sum e^(n.n_k/tau)).

    n is the student's vector of an image and o the teacher's; o_k are the hardest keys of other
    labels, n_k the hardest student vectors of other labels in the batch (both sides learn). For
    galleries that mix vectors of both models. Unit rows; a key of an unknown label (-1) is no
    negative, an image of an unknown label has no term, a batch without a known one gives 0.

    Hot-refresh (RACT), ICLR 2022. The sum is taken by log-sum-exp: tau .05 means exponents of 20.
    """
    known_B = labels_B >= 0
    own_B1 = (query_BD * teacher_BD).sum(-1, keepdim=True)
    old_BK = _hardest(query_BD @ keys_SD.T, labels_B, key_labels_S, hardest)
    new_BK = _hardest(query_BD @ query_BD.T, labels_B, labels_B, hardest)
    logits = torch.cat([own_B1, old_BK, new_BK], dim=1) / temperature
    loss_B = logits.logsumexp(1) - logits[:, 0]
    return (loss_B * known_B).sum() / known_B.sum().clamp(min=1)


def _hardest(score_BS: Tensor, labels_B: Tensor, others_S: Tensor, count: int) -> Tensor:
    """Return the `count` largest scores of known other labels in each row, filled with -inf."""
    negative_BS = (labels_B[:, None] != others_S) & (others_S >= 0)
    return score_BS.masked_fill(~negative_BS, -torch.inf).topk(min(count, score_BS.shape[1]), dim=1).values
