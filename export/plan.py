"""Quantised graph -> the plan of a net that PyTorch can train, and what it learned -> float graph and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.candidates import Candidate
from export.graph import INPUT_NAME, OUTPUT_NAME
from hetvs.levels import LARGEST
from hetvs.models.rounded import ROUND, Plan, Step
from hetvs.models.rounding import WeightLevels

SEVEN_BIT = 64
TRAINED = ("Conv", "Gemm")  # ops whose weight and bias learn


def plan_of(rounded: onnx.ModelProto, source: onnx.ModelProto, ranges: Any, candidate: Candidate) -> Plan:
    """Return the plan of the graph `rounded` (see `export.quantise.rounded_graph`) of the float graph `source`.

    `rounded` may be `source` itself: then nothing is rounded. Raises ConfigError for an operator that
    has no step.
    """
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    made_by = {name: node for node in rounded.graph.node for name in node.output}
    fixed = {tensor.name: numpy_helper.to_array(tensor) for tensor in rounded.graph.initializer}
    stands_for = {
        name: _float_name(node, fixed) for name, node in made_by.items() if node.op_type == "DequantizeLinear"
    }
    trained = {
        name for node in source.graph.node if node.op_type in TRAINED for name in node.input[1:] if name in arrays
    }
    steps = tuple(_step(node, stands_for) for node in rounded.graph.node if node.op_type != "DequantizeLinear")
    levels = {
        stands_for[name]: _levels(node, fixed[node.input[0]], candidate)
        for name, node in made_by.items()
        if node.op_type == "DequantizeLinear" and node.input[0] in fixed and _is_weight(fixed[node.input[0]])
    }
    biases = {}
    for node in rounded.graph.node:
        if node.op_type == "Conv" and len(node.input) > 2 and node.input[2] in stands_for:
            biases[stands_for[node.input[2]]] = (_range_name(made_by[node.input[0]]), stands_for[node.input[1]])
    names = {_range_name(node) for node in rounded.graph.node if node.op_type == ROUND}
    asked = {name for step in steps for name in step.inputs} - trained
    return Plan(
        steps=steps,
        input=INPUT_NAME,
        output=OUTPUT_NAME,
        constants={name: array for name, array in {**arrays, **fixed}.items() if name in asked},
        weights={name: arrays[name] for name in sorted(trained)},
        levels=levels,
        biases=biases,
        ranges={name: _with_zero(ranges[name]) for name in sorted(names)},
    )


def with_weights(source: onnx.ModelProto, weights: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """Return a copy of the float graph `source` with other values of some weights."""
    model = onnx.ModelProto()
    model.CopyFrom(source)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    return model


def with_ranges(ranges: Any, learned: Mapping[str, tuple[float, float]]) -> Any:
    """Return the ranges of activations, as ONNX Runtime's quantiser takes them, with those that were learned."""
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData

    pairs = {name: _with_zero(data) for name, data in ranges.items()} | dict(learned)
    as_float = {name: tuple(np.array(value, np.float32) for value in pair) for name, pair in pairs.items()}
    return TensorsData(CalibrationMethod.MinMax, as_float)


def _step(node: onnx.NodeProto, stands_for: Mapping[str, str]) -> Step:
    """Return a node as a step; a rounding gives at once what is read back of its levels."""
    options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    inputs = (node.input[0], _range_name(node)) if node.op_type == ROUND else tuple(node.input)
    inputs = tuple(stands_for.get(name, name) for name in inputs)
    return Step(node.op_type, inputs, tuple(node.output), options)


def _float_name(node: onnx.NodeProto, fixed: Mapping[str, np.ndarray]) -> str:
    """Return what a DequantizeLinear reads back: the name of a weight, or the result of a rounding."""
    source = str(node.input[0])
    return source.removesuffix("_quantized").removesuffix("_levels") if source in fixed else source


def _range_name(node: onnx.NodeProto) -> str:
    """Return the tensor that a rounding, or its reading back, has the range of; several can share one."""
    return str(node.input[1]).removesuffix("_scale")


def _is_weight(array: np.ndarray) -> bool:
    return array.dtype in (np.int8, np.uint8)


def _levels(node: onnx.NodeProto, array: np.ndarray, candidate: Candidate) -> WeightLevels:
    """Return how `array`, read back by `node`, was rounded."""
    if node.input[0].endswith("_levels"):  # of the projection, by `hetvs.levels`
        return WeightLevels(-LARGEST, LARGEST, symmetric=True, axis=_axis(node))
    axis = _axis(node) if candidate.per_channel else None
    if candidate.weights == "s8-7bit":
        return WeightLevels(-SEVEN_BIT, SEVEN_BIT, symmetric=True, axis=axis)
    return WeightLevels(0, 255, symmetric=candidate.per_channel, axis=axis)


def _axis(node: onnx.NodeProto) -> int:
    return next(int(a.i) for a in node.attribute if a.name == "axis")


def _with_zero(data: Any) -> tuple[float, float]:
    """Return low and high of a range, widened to hold zero, which padding needs."""
    low, high = (np.asarray(value).item() for value in data.range_value)
    return min(low, 0.0), max(high, 0.0)
