"""Relational distillation: the geometry inside a batch, which any rotation of the space keeps."""

from __future__ import annotations

import torch
from torch import Tensor


def relational(query_BD: Tensor, teacher_BD: Tensor) -> Tensor:
    """Off-diagonal mean of (q_i.q_j - g_i.g_j)^2 over a batch of unit rows (B, D), B >= 2.

    Not anchored: a common rotation of all q leaves it unchanged, so alone it gives chance-level
    retrieval against the teacher's gallery (self similarity, RAML, WACV 2023; a kin of RKD).
    """
    size = len(query_BD)
    if size < 2:
        raise ValueError("relational needs a batch of at least 2")
    gap_BB = query_BD @ query_BD.T - teacher_BD @ teacher_BD.T
    off_diagonal = ~torch.eye(size, dtype=torch.bool, device=gap_BB.device)
    return gap_BB[off_diagonal].square().mean()
