"""The context: the student sees a queue of gallery vectors as the teacher sees it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hetvs.losses.focal import weighted_mean

HIDDEN = -1e4  # instead of -inf, which makes 0 * log 0


def context(
    query_BD: Tensor,
    teacher_BD: Tensor,
    keys_SD: Tensor,
    same_image_BS: Tensor,
    weights_B: Tensor | None = None,
    *,
    temperature: float = 0.07,
) -> Tensor:
    """Mean KL divergence of softmax(g.K / tau) from softmax(q.K / tau) over the keys.

    All vectors are unit rows; `same_image_BS` is true where a key came from the query's own image:
    it is hidden from both sides. `weights_B` are focal weights. Zero, with zero gradient, at q = g.
    The queue form of contextual similarity distillation (Wu et al., CVPR 2022).
    """
    score_BS, target_BS = query_BD @ keys_SD.T, teacher_BD @ keys_SD.T
    return weighted_mean(divergence(score_BS, target_BS, same_image_BS, temperature), weights_B)


def divergence(score_BK: Tensor, target_BK: Tensor, hidden_BK: Tensor, temperature: float) -> Tensor:
    """Return KL(softmax(target / tau) || softmax(score / tau)) of each row (B,), hidden columns left out."""
    hide_BK = hidden_BK * HIDDEN
    student_BK = F.log_softmax(score_BK / temperature + hide_BK, dim=-1)
    teacher_BK = F.log_softmax(target_BK / temperature + hide_BK, dim=-1)
    return F.kl_div(student_BK, teacher_BK, log_target=True, reduction="none").sum(-1)
