"""Margin-softmax prototype head: the classifier that gives a space its classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PrototypeHead(nn.Module):
    """Normalised softmax with an additive cosine margin (CosFace, Wang et al., arXiv 1801.09414, eq. 4).

    Args:
        classes: C, the number of rows.
        dim: D, the embedding dimension.
        scale: s, the inverse temperature of the softmax.
        margin: m, what is taken off the right class's cosine while training; 0 is plain softmax.
    """

    def __init__(self, classes: int, dim: int, *, scale: float, margin: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(classes, dim), dim=-1))
        self.scale, self.margin = scale, margin

    def prototypes(self) -> Tensor:
        """Return the unit rows (C, D)."""
        return F.normalize(self.weight, dim=-1)

    def start_at(self, rows_CD: Tensor, row_labels: Sequence[str], labels: Sequence[str]) -> None:
        """Start our rows, one per label of `labels`, at those of `rows_CD`; a label without one stays random."""
        row_of = {label: row for row, label in enumerate(row_labels)}
        with torch.no_grad():
            for number, label in enumerate(labels):
                if label in row_of:
                    self.weight[number] = rows_CD[row_of[label]]

    def forward(self, vectors_BD: Tensor, labels_B: Tensor) -> Tensor:
        """Return the mean cross-entropy of unit vectors (B, D) against labels (B,) in 0..C-1."""
        return F.cross_entropy(self.under_margin(self.logits(vectors_BD), labels_B), labels_B)

    def logits(self, vectors_BD: Tensor) -> Tensor:
        """Return s * cos to every row (B, C), without the margin: what the head answers with."""
        return self.scale * (vectors_BD @ self.prototypes().T)

    def under_margin(self, logits_BC: Tensor, labels_B: Tensor) -> Tensor:
        """Return logits (B, C) with s * m taken off that of the right class: what the head learns on."""
        target = F.one_hot(labels_B, len(self.weight)).to(logits_BC.dtype)
        return logits_BC - self.scale * self.margin * target
