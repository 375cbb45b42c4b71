"""Contextual similarity distillation: the context, over the teacher's nearest neighbours alone."""

from __future__ import annotations

from torch import Tensor

from hetvs.losses.context import divergence
from hetvs.losses.nearest import nearest


def csd(
    query_BD: Tensor,
    teacher_BD: Tensor,
    keys_SD: Tensor,
    same_image_BS: Tensor,
    *,
    neighbours: int = 96,
    temperature: float = 0.07,
) -> Tensor:
    """Mean KL divergence of softmax(g.K / tau) from softmax(q.K / tau) over the keys nearest to g.

    All vectors are unit rows; keys of the query's own image are hidden. With as many neighbours as
    keys it is the context term. One temperature for both sides, so that it is zero, with zero
    gradient, at q = g (Wu et al., CVPR 2022; the public code sharpens the teacher's side alone).
    """
    near_BK, hidden_BK = nearest(teacher_BD, keys_SD, same_image_BS, neighbours)
    score_BK, target_BK = ((side_BD @ keys_SD.T).gather(1, near_BK) for side_BD in (query_BD, teacher_BD))
    return divergence(score_BK, target_BK, hidden_BK, temperature).mean()
