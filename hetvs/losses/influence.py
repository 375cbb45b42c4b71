"""The influence: the teacher's frozen prototypes classify the student's vectors."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def influence(query_BD: Tensor, prototypes_CD: Tensor, labels_B: Tensor, *, scale: float) -> Tensor:
    """Cross-entropy of s * q.P against the labels, P frozen unit rows (C, D), margin 0.

    A label outside 0..C-1 is unknown or a class the teacher never saw: it has no term. The sum over
    known labels is divided by max(1, known), so a batch without one gives 0, not NaN (BCT, Shen et
    al., arXiv 2003.11942, the second term of its loss).
    """
    known_B = (labels_B >= 0) & (labels_B < len(prototypes_CD))
    logits_BC = scale * query_BD @ prototypes_CD.detach().T
    total = F.cross_entropy(logits_BC, labels_B.where(known_B, -1), ignore_index=-1, reduction="sum")
    return total / known_B.sum().clamp(min=1)
