"""Rounding to integer levels that a gradient passes: what an int8 file does, as PyTorch can train it.

The arithmetic is that of ONNX's QuantizeLinear and DequantizeLinear, half to even, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = 255  # steps between the lowest and the highest level of an activation, uint8
LARGEST_SUM = 2**31 - 1  # int32, in which products are summed
MARGIN = 1.0001  # of ONNX Runtime's quantiser, so that the largest bias fits


def straight_round(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes as if nothing had been rounded (Bengio et al., arXiv 1308.3432).

    >>> straight_round(torch.tensor([0.5, 1.5, -0.7]))
    tensor([ 0.,  2., -1.])
    """
    return x + (x.round() - x).detach()


def round_to_levels(x: Tensor, scale: Tensor, zero: Tensor, lowest: int, highest: int) -> Tensor:
    """Return `x` as levels `lowest`..`highest` hold it, a step of `scale` apart; `zero` is the level of 0.

    The gradients of scale and zero are those of LSQ+ (Bhalgat et al., arXiv 2004.09576); what
    lies beyond the levels passes no gradient of its own.

    >>> round_to_levels(torch.tensor([-0.3, 0.26, 9.0]), torch.tensor(0.1), torch.tensor(1.0), 0, 255)
    tensor([-0.1000,  0.3000,  9.0000])
    """
    levels = torch.clamp(straight_round(x / scale) + zero, lowest, highest)
    return (levels - zero) * scale


def activation_levels(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and zero level of uint8 levels over low..high, with low <= 0 <= high; both pass gradients.

    An empty range, of a tensor that is always zero, has scale 1.

    >>> scale, zero = activation_levels(torch.tensor(-1.0), torch.tensor(4.1))
    >>> round(scale.item(), 4), zero.item()
    (0.02, 50.0)
    """
    span = high.double() - low.double()  # the quantiser divides in float64, too
    step = torch.where(span > 0, span / LEVELS, 1)
    return step.float(), straight_round(-low.double() / step).float()


def round_bias(bias: Tensor, scale: Tensor, *, widen: bool) -> Tensor:
    """Return the bias (C,) as int32 levels of `scale` hold it; the gradient passes straight through.

    A dead channel has so small a scale that its bias does not fit: with `widen` the scale grows, as the
    quantiser does it for signed weights, without it the bias is cut off.
    """
    if widen:
        scale = torch.maximum(scale, MARGIN * bias.detach().abs() / LARGEST_SUM)
    scale = scale.clamp(min=torch.finfo(scale.dtype).tiny)
    return straight_round(bias / scale).clamp(-LARGEST_SUM, LARGEST_SUM) * scale


@dataclass(frozen=True)
class WeightLevels:
    """How an array of weights is rounded: levels, per tensor or per index of `axis`.

    Symmetric levels reach as far below zero as above; others span the range of the weights and zero.
    """

    lowest: int
    highest: int
    symmetric: bool
    axis: int | None = None

    def scale_and_zero(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and zero level of `weight`, float32, in a shape that broadcasts; they pass no gradient.

        Weights that are all zero have scale 1.
        """
        dims = [d for d in range(weight.ndim) if d != self.axis]
        values = weight.detach().double()
        low, high = values.amin(dims, keepdim=True).clamp(max=0), values.amax(dims, keepdim=True).clamp(min=0)
        steps = self.highest - self.lowest
        if self.symmetric:
            far = torch.maximum(-low, high)
            scale, middle = 2 * far / steps, (self.lowest + self.highest) / 2
            zero = torch.full_like(scale, middle).round()
        else:
            scale = (high - low) / steps
            zero = (self.lowest - low / scale).round()
        flat = scale == 0
        return torch.where(flat, 1, scale).float(), torch.where(flat & (not self.symmetric), 0, zero).float()

    def rounded(self, weight: Tensor) -> Tensor:
        """Return the values that the levels of `weight` stand for; the gradient passes straight through."""
        return round_to_levels(weight, *self.scale_and_zero(weight), self.lowest, self.highest)
