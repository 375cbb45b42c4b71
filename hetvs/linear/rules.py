"""How an operation carries a tangent: what is linear, what has a slope, what is pooled by its maximum.

A tangent is the derivative of a value along a change of the weights; the input of a network has none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hetvs.errors import ConfigError


@dataclass(frozen=True)
class Stream:
    """A value and its tangent, of one shape; None is a tangent of zeros."""

    value: Tensor
    tangent: Tensor | None = None


class Standardise(nn.Module):
    """The fixed half of a batch norm in eval mode, (x - mu) / sd per channel (final); its affine half is a layer."""

    mean: Tensor
    rate: Tensor

    def __init__(self, mean_C: Tensor, rate_C: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean_C.detach().clone().view(-1, 1, 1))
        self.register_buffer("rate", rate_C.detach().clone().view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised map."""
        return (x - self.mean) * self.rate


def relu_slope(x: Tensor, negative: float = 0.0) -> Tensor:
    """Return the slope of a (leaky) ReLU: 1 above zero, `negative` at zero and below, as torch has it.

    >>> relu_slope(torch.tensor([-1.0, 0.0, 2.0]), 0.5)
    tensor([0.5000, 0.5000, 1.0000])
    """
    return (x > 0).to(x.dtype) * (1 - negative) + negative


def _relu6_slope(x: Tensor) -> Tensor:
    return ((x > 0) & (x < 6)).to(x.dtype)


def _sigmoid_slope(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * (1 - torch.sigmoid(x))


def _silu_slope(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x)))


def _hardsigmoid_slope(x: Tensor) -> Tensor:
    return (x.abs() < 3).to(x.dtype) / 6


def _hardswish_slope(x: Tensor) -> Tensor:
    return ((2 * x + 3) / 6) * (x.abs() < 3).to(x.dtype) + (x >= 3).to(x.dtype)


Slope = Callable[[nn.Module, Tensor], Tensor]
SLOPES: dict[type[nn.Module], Slope] = {  # a pointwise module -> its derivative
    nn.ReLU: lambda _module, x: relu_slope(x),
    nn.LeakyReLU: lambda module, x: relu_slope(x, float(module.negative_slope)),  # type: ignore[arg-type]
    nn.ReLU6: lambda _module, x: _relu6_slope(x),
    nn.Sigmoid: lambda _module, x: _sigmoid_slope(x),
    nn.SiLU: lambda _module, x: _silu_slope(x),
    nn.Hardsigmoid: lambda _module, x: _hardsigmoid_slope(x),
    nn.Hardswish: lambda _module, x: _hardswish_slope(x),
}
FUNCTION_SLOPES: dict[Any, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys((F.relu, torch.relu), relu_slope),
    F.relu6: _relu6_slope,
    torch.sigmoid: _sigmoid_slope,
}
LINEAR_MODULES = (nn.ZeroPad2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten)
LINEAR_FUNCTIONS = (
    torch.flatten, torch.transpose, torch.cat, torch.mean, F.adaptive_avg_pool2d, F.avg_pool2d, operator.getitem,
)  # fmt: skip
LINEAR_METHODS = (
    "mean", "view", "reshape", "flatten", "contiguous", "transpose", "permute", "chunk", "unsqueeze", "squeeze",
)  # fmt: skip
SHAPE_METHODS = ("size", "dim")
SHAPE_FUNCTIONS = (operator.floordiv, getattr)
LAYERS = (nn.Conv2d, nn.Linear)
Layer = nn.Conv2d | nn.Linear


def through_layer(layer: Layer, delta: nn.Module | None, x: Stream) -> Stream:
    """Return W x + b and its tangent dW x + db + W x' for a convolution or linear layer; `delta` holds dW and db."""
    parts = [] if delta is None else [delta(x.value)]
    if x.tangent is not None:
        parts.append(without_bias(layer, x.tangent))
    return Stream(layer(x.value), sum(parts[1:], parts[0]) if parts else None)


def without_bias(layer: Layer, x: Tensor) -> Tensor:
    """Return W x, without b."""
    if isinstance(layer, nn.Conv2d):
        y: Tensor = layer._conv_forward(x, layer.weight, None)
        return y
    return F.linear(x, layer.weight)


def through_module(module: nn.Module, x: Stream) -> Stream:
    """Return a value and its tangent behind a module without weights that adapt."""
    if x.tangent is None:
        return Stream(module(x.value))
    if isinstance(module, nn.MaxPool2d):
        return _through_max_pool(module, x.value, x.tangent)
    if isinstance(module, Standardise):
        return Stream(module(x.value), x.tangent * module.rate)
    if isinstance(module, LINEAR_MODULES):
        return Stream(module(x.value), module(x.tangent))
    return Stream(module(x.value), SLOPES[type(module)](module, x.value) * x.tangent)


def _through_max_pool(pool: nn.MaxPool2d, x: Tensor, tangent: Tensor) -> Stream:
    """The tangent of the place that has the maximum; of equal places the one that torch takes."""
    y, places = F.max_pool2d(
        x, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode, return_indices=True
    )
    return Stream(y, tangent.flatten(2).gather(2, places.flatten(2)).view_as(y))


def add(a: Stream, b: Stream) -> Stream:
    """Return a + b."""
    tangents = [x.tangent for x in (a, b) if x.tangent is not None]
    return Stream(a.value + b.value, sum(tangents[1:], tangents[0]) if tangents else None)


def multiply(a: Stream, b: Stream) -> Stream:
    """Return a b, whose tangent is a' b + a b'."""
    pairs = ((a.tangent, b.value), (b.tangent, a.value))
    tangents = [tangent * value for tangent, value in pairs if tangent is not None]
    return Stream(a.value * b.value, sum(tangents[1:], tangents[0]) if tangents else None)


OF_STREAMS: dict[Any, Callable[..., Stream]] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add), add),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul), multiply),
}


def require_supported(graph: fx.GraphModule) -> None:
    """Raise ConfigError, with the name of the operation and its place, unless every one of `graph` has a rule."""
    for node in graph.graph.nodes:
        if node.op == "call_module":
            module = graph.get_submodule(str(node.target))
            known = type(module) in SLOPES or isinstance(module, (*LAYERS, *LINEAR_MODULES, nn.MaxPool2d, Standardise))
            name = type(module).__name__
        elif node.op == "call_method":
            known, name = node.target in (*LINEAR_METHODS, *SHAPE_METHODS), str(node.target)
        elif node.op == "call_function":
            tables = (*FUNCTION_SLOPES, *LINEAR_FUNCTIONS, *SHAPE_FUNCTIONS, *OF_STREAMS)
            known, name = node.target in tables, getattr(node.target, "__name__", str(node.target))
        else:
            known, name = node.op in ("placeholder", "output"), f"{node.op} {node.target}"
        if not known:
            raise ConfigError(f"{node.name}: {name} has no tangent rule; fine-tune another backbone, or not linearly")
