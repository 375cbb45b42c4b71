"""One batch in several processes: losses, batch norm and gradients are those of the whole of it.

Each process computes the loss of the whole batch from everybody's vectors, and the gradient through its own
share. The sum of these over the processes is the gradient of the whole batch, whatever a term is a mean of.
DistributedDataParallel takes the mean of the processes' gradients, hence the factor in `_Gather`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from hetvs.training.processes import count, share_of


def replicated(model: nn.Module) -> nn.Module:
    """Return `model` as a step should call it: the weights of the first process, means as gradients."""
    return model if count() == 1 else DistributedDataParallel(model)


def gathered(rows: Tensor, total: int) -> Tensor:
    """Return the rows (total, D) of the whole batch; gradients flow into those of this process, `rows`."""
    whole: Tensor = rows if count() == 1 else _Gather.apply(rows, total)
    return whole


def whole_batch_norm() -> AbstractContextManager[object]:
    """Take the statistics of every batch norm over the whole batch, whichever module asks for them.

    torch's own SyncBatchNorm does the same on GPUs alone.
    """
    return nullcontext() if count() == 1 else _WholeBatchNorm()


class _Gather(torch.autograd.Function):
    """The rows of every process: zeros, own rows in their places, summed; so shares may differ in size."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, total: int) -> Tensor:
        ctx.share = share_of(total)
        whole = rows.new_zeros((total, *rows.shape[1:]))
        whole[ctx.share] = rows
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0][ctx.share] * count(), None


class _WholeBatchNorm(TorchFunctionMode):
    """Replaces F.batch_norm where it would take the statistics of the batch."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        replaced = func is F.batch_norm and (kwargs or {}).get("training")
        return (_batch_norm if replaced else func)(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """F.batch_norm in training, over the batches of all processes; running statistics move as there."""
    others = [axis for axis in range(input.ndim) if axis != 1]
    values = _exact(input.detach())
    ones = values.new_full((1,), values.numel() / values.shape[1])
    sums = torch.cat([values.sum(others), ones])
    dist.all_reduce(sums)
    size, mean = sums[-1], sums[:-1] / sums[-1]
    squares = (values - _along_channels(mean, input)).square_().sum(others)
    dist.all_reduce(squares)
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(squares / (size - 1), momentum)
    output: Tensor = _Normalise.apply(input, mean, squares / size, weight, bias, eps, size)
    return output


class _Normalise(torch.autograd.Function):
    """Batch norm by given statistics, whose gradient knows that they are of the whole batch (Ioffe, Szegedy 2015)."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        size: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(input, mean, (variance + eps).rsqrt(), weight, size)
        return F.batch_norm(input, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        input, mean, scale, weight, size = ctx.saved_tensors
        gradient = _exact(gradients[0])
        others = [axis for axis in range(input.ndim) if axis != 1]
        unit = (_exact(input) - _along_channels(mean, input)) * _along_channels(scale, input)
        own = torch.stack([gradient.sum(others), (gradient * unit).sum(others)])
        whole = own.clone()
        dist.all_reduce(whole)
        by_bias, by_weight = (_along_channels(row, input) for row in whole / size)
        factor = scale if weight is None else scale * weight
        by_input = (gradient - by_bias - unit * by_weight) * _along_channels(factor, input)
        affine = (None, None) if weight is None else (own[1], own[0])
        return by_input.to(input.dtype), None, None, *affine, None, None


def _exact(values: Tensor) -> Tensor:
    """Return bfloat16 as float32, in which sums over a batch are taken; wider types as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _along_channels(values_C: Tensor, like: Tensor) -> Tensor:
    """Return one value a channel in a shape that broadcasts along axis 1 of `like`."""
    return values_C.view(1, -1, *[1] * (like.ndim - 2))
