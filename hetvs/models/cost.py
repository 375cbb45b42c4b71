"""What a model costs: multiply-accumulates and parameters."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def macs_of(model: nn.Module, size_px: int) -> int:
    """Return the MACs of one image of `size_px`: convolutions and matrix products (flops / 2).

    Counted by torch on the aten operations that run, so nothing is estimated; norms, activations
    and the pooling are not counted, as in the papers.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, size_px, size_px))
    model.train(was_training)
    flops: int = counter.get_total_flops()
    return flops // 2


def parameters_of(model: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(parameter.numel() for parameter in model.parameters())
