"""Cross similarity: a student vector stands to the teacher's other vectors as the teacher's own does."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_similarity(query_BD: Tensor, teacher_BD: Tensor) -> Tensor:
    """Off-diagonal mean of (q_i.g_j - g_i.g_j)^2 over a batch of unit rows (B, D), B >= 2.

    Anchored, for the g_j do not move; zero, with zero gradient, at q = g (l1 of RAML, WACV 2023).
    Raises ValueError for a batch of one.
    """
    size = len(query_BD)
    if size < 2:
        raise ValueError("cross_similarity needs a batch of at least 2")
    gap_BB = (query_BD - teacher_BD) @ teacher_BD.T
    off_diagonal = ~torch.eye(size, dtype=torch.bool, device=gap_BB.device)
    return gap_BB[off_diagonal].square().mean()
