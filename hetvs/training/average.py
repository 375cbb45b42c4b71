"""The averaged weights that are kept, and batch-norm statistics that fit them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Average:
    """Exponential moving average of a model's weights and float buffers.

    The decay grows as (1 + t) / (10 + t) up to `decay`, so that a short run does not keep its random
    start; decay 0 is the last model itself.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards `model` by one step."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        ours, theirs = (list(m.state_dict().values()) for m in (self.model, model))
        floats = [index for index, tensor in enumerate(ours) if tensor.is_floating_point()]
        torch._foreach_lerp_([ours[i] for i in floats], [theirs[i] for i in floats], 1 - decay)


@torch.no_grad()
def recalibrate_batch_norm(model: nn.Module, batches: Iterable[Tensor], keep: Collection[nn.Module] = ()) -> None:
    """Set every batch norm's statistics, but for `keep`, to the plain mean over `batches`, inputs of `model`.

    Statistics gathered while the weights moved do not fit averaged weights. Resets the counters
    too: a cumulative average that keeps its count would be diluted by the old one.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module not in keep]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    model.eval()  # dropout stays off
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for batch in batches:
        model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()
