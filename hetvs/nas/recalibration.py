"""Batch-norm statistics of one architecture: those that a supernet keeps are of many paths at once.

Without it a subnet scores near chance, however well its weights were trained.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def recalibrate(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the statistics of every batch norm by those of `batches`, and leave `model` in eval mode.

    The batches (B, 3, S, S) are training images as evaluation sees them; the statistics are the plain means
    over them, so the same batches again change nothing. No gradient, no weight is touched.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()  # the count too, or the old mean would weigh in the cumulative one
        norm.momentum = None
    model.train()
    with torch.no_grad():
        for pixels in batches:
            model(pixels)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    model.eval()
