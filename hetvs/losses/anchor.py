"""The anchor: every student vector goes where the teacher put the same image."""

from __future__ import annotations

from torch import Tensor

from hetvs.losses.focal import weighted_mean


def anchor(query_BD: Tensor, teacher_BD: Tensor, weights_B: Tensor | None = None) -> Tensor:
    """Mean of 1 - cos over the batch; both inputs are unit rows (B, D), `weights_B` focal weights.

    A sum over D, never a mean: for the vector before its norm, gradient norm times vector norm is
    the sine of the angle, whatever D is (feature matching as in FitNets, arXiv 1412.6550, on the sphere).
    """
    return weighted_mean(1 - (query_BD * teacher_BD).sum(-1), weights_B)
