"""The soft influence: an image of a class that the old head lacks is answered as the old model answers it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def soft_influence(
    query_BD: Tensor, teacher_BD: Tensor, prototypes_CD: Tensor, labels_B: Tensor, *, scale: float
) -> Tensor:
    """Mean over the batch of the cross-entropy of s * q.P: against the label where it has a row of P, else against p.

    p = softmax(s * g.P) is the old model's answer to the same image. Unit rows, P frozen (C, D); a label
    outside 0..C-1 has no row. The distilled route for unseen classes of BCT (arXiv 2003.11942), as in
    learning without forgetting (arXiv 1606.09282).
    """
    known_B = (labels_B >= 0) & (labels_B < len(prototypes_CD))
    rows_DC = prototypes_CD.detach().T
    hard_BC = F.one_hot(labels_B.where(known_B, 0), len(prototypes_CD)).to(query_BD.dtype)
    soft_BC = F.softmax(scale * teacher_BD @ rows_DC, dim=-1)
    target_BC = hard_BC.where(known_B[:, None], soft_BC)
    return F.cross_entropy(scale * query_BD @ rows_DC, target_BC)
