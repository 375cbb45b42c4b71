"""The squared anchor: as the anchor, but images that are nearly in place are let go."""

from __future__ import annotations

from torch import Tensor


def anchor_squared(query_BD: Tensor, teacher_BD: Tensor) -> Tensor:
    """Mean of (1 - cos)^2 over the batch of unit rows (B, D); its gradient dies early near the optimum.

    The absolute term of RAML (Suma and Tolias, WACV 2023).
    """
    return (1 - (query_BD * teacher_BD).sum(-1)).square().mean()
