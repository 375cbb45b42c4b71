"""An operator -> two tiny ONNX graphs whose difference is that operator, many times over.

Of copies side by side the fixed cost of a run (its start, the input's reordering, the output) is the same in
both graphs and drops out. Each copy has weights of its own, so that no optimiser merges two of them, and ends
in a pooling that reads one place of its output: the runtime has to compute all of it and can free it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hetvs.nas.operators import Operator

FEW, MANY = 2, 10
OPSET, IR_VERSION = 18, 9


@dataclass(frozen=True)
class Pair:
    """Two graphs, and how often the operator is in `larger` more than in `smaller`."""

    larger: onnx.ModelProto
    smaller: onnx.ModelProto
    copies: int


@dataclass
class Drawing:
    """A graph while it is drawn: nodes and weights, on one float32 input (1, C, H, W)."""

    nodes: list[onnx.NodeProto]
    weights: list[onnx.TensorProto]
    random: np.random.Generator

    def add(self, op_type: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with one output, and return its name."""
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def weight(self, *shape: int) -> str:
        """Add random weights that keep the size of what flows through, and return their name."""
        name = f"w{len(self.weights)}"
        spread = float(np.prod(shape[1:])) ** -0.5
        array = (self.random.standard_normal(shape) * spread).astype(np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def integers(self, *values: int) -> str:
        """Add a constant list of integers, and return its name."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def conv(self, source: str, of: Operator) -> str:
        """Add a convolution with its bias, and the ReLU that belongs to it."""
        kernel = [of.kernel, of.kernel]
        weights = self.weight(of.out_channels, of.in_channels // of.groups, *kernel)
        output = self.add(
            "Conv",
            [source, weights, self.weight(of.out_channels)],
            kernel_shape=kernel,
            strides=[of.stride, of.stride],
            pads=[of.kernel // 2] * 4,
            group=of.groups,
        )
        return self.add("Relu", [output]) if of.kind == "conv_relu" else output


Draw = Callable[[Drawing, str, Operator], str]  # adds one copy to a drawing: its input -> its output


def pair_of(operator: Operator) -> Pair:
    """Return the two graphs of an operator.

    A convolution stands alone, ten copies against two. What runtimes merge into its neighbours, or reorder
    their data for, stands between convolutions, against the same convolutions without it.
    """
    if operator.kind in _ALONE:
        draw = _ALONE[operator.kind]
        return Pair(_graph(operator, draw, MANY), _graph(operator, draw, FEW), MANY - FEW)
    draw, without = _BETWEEN[operator.kind]
    return Pair(_graph(operator, draw, MANY), _graph(operator, without, MANY), MANY)


def _graph(operator: Operator, draw: Draw, copies: int) -> onnx.ModelProto:
    """Return `copies` of a drawing side by side, each reduced to one place."""
    drawing = Drawing([], [], np.random.default_rng(0))
    ends = [_one_place(drawing, draw(drawing, "x", operator), operator) for _ in range(copies)]
    drawing.nodes.append(helper.make_node("Concat", ends, ["y"], axis=1))
    px = operator.in_px
    shape = [1, operator.in_channels] if operator.kind == "linear" else [1, operator.in_channels, px, px]
    rank = len(shape) - 2
    graph = helper.make_graph(
        drawing.nodes,
        operator.kind,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None, *[1] * rank])],
        drawing.weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _one_place(drawing: Drawing, source: str, operator: Operator) -> str:
    """Read one place of a map; a vector has no places."""
    if operator.kind == "linear":
        return source
    return drawing.add("MaxPool", [source], kernel_shape=[1, 1], strides=[operator.in_px, operator.in_px])


def _conv(drawing: Drawing, source: str, operator: Operator) -> str:
    return drawing.conv(source, operator)


def _linear(drawing: Drawing, source: str, operator: Operator) -> str:
    weights = drawing.weight(operator.out_channels, operator.in_channels)
    return drawing.add("Gemm", [source, weights, drawing.weight(operator.out_channels)], transB=1)


def _pointwise(drawing: Drawing, source: str, inputs: int, outputs: int, px: int) -> str:
    return drawing.conv(source, Operator("conv", 1, 1, inputs, outputs, 1, px))


def _added(drawing: Drawing, source: str, operator: Operator) -> str:
    return drawing.add("Add", [_alone(drawing, source, operator), source])


def _alone(drawing: Drawing, source: str, operator: Operator) -> str:
    return _pointwise(drawing, source, operator.in_channels, operator.in_channels, operator.in_px)


def _pooled(drawing: Drawing, source: str, operator: Operator) -> str:
    places = drawing.integers(2, 3)  # a mean over places, as the exporter writes it
    return drawing.add("ReduceMean", [_alone(drawing, source, operator), places], keepdims=1)


def _concatenated(drawing: Drawing, source: str, operator: Operator) -> str:
    """Concatenate two halves that convolutions made, for a convolution."""
    half = operator.in_channels // 2
    halves = [_pointwise(drawing, source, operator.in_channels, half, operator.in_px) for _ in range(2)]
    return drawing.add("Concat", halves, axis=1)


def _two_halves(drawing: Drawing, source: str, operator: Operator) -> str:
    """Make both halves and use them apart: what `_concatenated` does without its Concat."""
    half = operator.in_channels // 2
    halves = [_pointwise(drawing, source, operator.in_channels, half, operator.in_px) for _ in range(2)]
    return drawing.add("Concat", [_one_place(drawing, one, operator) for one in halves], axis=1)


def _shuffled(drawing: Drawing, source: str, operator: Operator) -> str:
    """Part the channels of a convolution into the even and the odd ones, as the trunk does, and use both."""
    whole = _alone(drawing, source, operator)
    channels = operator.in_channels
    ends = []
    for start in range(2):
        bounds = [drawing.integers(value) for value in (start, channels, 1, 2)]
        ends.append(_one_place(drawing, drawing.add("Slice", [whole, *bounds]), operator))
    return drawing.add("Concat", ends, axis=1)


_ALONE: dict[str, Draw] = {"conv": _conv, "conv_relu": _conv, "linear": _linear}
_BETWEEN: dict[str, tuple[Draw, Draw]] = {
    "add": (_added, _alone),
    "pool": (_pooled, _alone),
    "concat": (_concatenated, _two_halves),
    "shuffle": (_shuffled, _alone),
}
