"""The operators of a small convolutional net, as ONNX means them, on batches of any size.

An exported graph has a fixed batch of 1; whatever shapes it holds are taken without their first number.
Options are a node's attributes, which torch's exporter writes out in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Options = Mapping[str, Any]
Operator = Callable[..., Tensor | tuple[Tensor, ...]]


def _conv(o: Options, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = o["pads"]
    even = (top, left) == (bottom, right)
    x = x if even else F.pad(x, (left, right, top, bottom))
    return F.conv2d(x, weight, bias, o["strides"], (top, left) if even else 0, o["dilations"], o["group"])


def _max_pool(o: Options, x: Tensor) -> Tensor:
    top, left, bottom, right = o["pads"]
    x = F.pad(x, (left, right, top, bottom), value=-torch.inf)
    return F.max_pool2d(x, o["kernel_shape"], o["strides"], ceil_mode=bool(o["ceil_mode"]))


def _gemm(o: Options, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight if o["transB"] else weight.T, bias)


def _axes(axes: Tensor) -> tuple[int, ...]:
    return tuple(axes.tolist())


def _reshape(o: Options, x: Tensor, shape: Tensor) -> Tensor:
    return x.reshape(len(x), *shape.tolist()[1:])


def _expand(o: Options, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(len(x), *shape.tolist()[1:])


def _split(o: Options, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    parts = o["num_outputs"] if sizes is None else sizes.tolist()
    return x.tensor_split(parts, o["axis"]) if isinstance(parts, int) else torch.split(x, parts, o["axis"])


OPERATORS: dict[str, Operator] = {
    "Add": lambda o, x, y: x + y,
    "Cast": lambda o, x: x.float(),  # the pixels: nothing else is cast
    "Clip": lambda o, x, low=None, high=None: torch.clamp(x, low, high),
    "Concat": lambda o, *xs: torch.cat(xs, o["axis"]),
    "Conv": _conv,
    "Div": lambda o, x, y: x / y,
    "Expand": _expand,
    "Gemm": _gemm,
    "HardSigmoid": lambda o, x: torch.clamp(o["alpha"] * x + o["beta"], 0, 1),
    "HardSwish": lambda o, x: F.hardswish(x),
    "Max": lambda o, x, y: torch.maximum(x, y),
    "MaxPool": _max_pool,
    "Mul": lambda o, x, y: x * y,
    "ReduceL2": lambda o, x, axes: x.norm(dim=_axes(axes), keepdim=bool(o["keepdims"])),
    "ReduceMean": lambda o, x, axes: x.mean(_axes(axes), keepdim=bool(o["keepdims"])),
    "Relu": lambda o, x: x.relu(),
    "Reshape": _reshape,
    "Sigmoid": lambda o, x: x.sigmoid(),
    "Split": _split,
    "Sub": lambda o, x, y: x - y,
    "Transpose": lambda o, x: x.permute(o["perm"]),
}
