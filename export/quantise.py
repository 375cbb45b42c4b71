"""Float graph + ranges -> int8 graph: integers between the first rounding and the pooled features. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.calibrate import INTEGER_OPS, quiet
from export.candidates import Candidate
from hetvs.errors import ConfigError
from hetvs.files import digest_bytes
from hetvs.levels import to_levels


def quantise(graph: Path, ranges: Any, candidate: Candidate) -> onnx.ModelProto:
    """Return the QDQ graph of the float graph in file `graph`, whose `value_info` is empty.

    Uint8 input, normalisation, pooling, projection and norm stay in float; the projection's weights
    are int8 with a scale per row. The metadata is that of the float graph. Raises ConfigError when the
    graph has no linear layer at its end.
    """
    model = rounded_graph(graph, ranges, candidate)
    _share_equal(model)
    _shorten(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def rounded_graph(graph: Path, ranges: Any, candidate: Candidate) -> onnx.ModelProto:
    """Return the graph of `quantise` with the names of the float graph and of ONNX Runtime's quantiser.

    Of a tensor T, the levels are T_quantized (of the projection: T_levels) and their scale is T_scale.
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

    signed = candidate.weights == "s8-7bit"
    with quiet():
        source = load_model_with_shape_infer(graph)
        tail = _tail(source)
        quantiser = QDQQuantizer(
            source,
            candidate.per_channel,
            signed,  # reduce_range: 7 bits
            QuantType.QInt8 if signed else QuantType.QUInt8,
            QuantType.QUInt8,
            ranges,
            [],
            [node.name for node in tail],
            list(INTEGER_OPS),
            {"WeightSymmetric": signed or candidate.per_channel},  # channels of u8 share one zero point, 128
        )
        quantiser.quantize_model()
        quantiser.model.topological_sort()
    model: onnx.ModelProto = quantiser.model.model
    _quantise_weights(model, _tail(model)[0])
    _keep_apart(model)
    return model


def weights_digest(model: onnx.ModelProto) -> str:
    """Return the digest of the initialisers of a graph, in their order: the identity of its weights."""
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return digest_bytes(*(f"{a.dtype}{a.shape}".encode() + a.tobytes() for a in arrays))


def _tail(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes from the projection on: the last linear layer, and all that follows."""
    nodes = list(model.graph.node)
    last = max((i for i, node in enumerate(nodes) if node.op_type in ("Gemm", "MatMul")), default=None)
    if last is None:
        raise ConfigError("export: the graph has no linear layer to end in; export the run again")
    return nodes[last:]


def _quantise_weights(model: onnx.ModelProto, projection: onnx.NodeProto) -> None:
    """Replace the float weights of the projection by int8 ones and a DequantizeLinear before it."""
    name = projection.input[1]
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    array = numpy_helper.to_array(weight)
    rows_last = projection.op_type == "MatMul" or not any(a.name == "transB" and a.i for a in projection.attribute)
    levels_ND, scale_N = to_levels(array.T if rows_last else array)
    levels = np.ascontiguousarray(levels_ND.T) if rows_last else levels_ND
    model.graph.initializer.remove(weight)
    for key, value in (("levels", levels), ("scale", scale_N), ("zero", np.zeros(len(scale_N), np.int8))):
        model.graph.initializer.append(numpy_helper.from_array(value, f"{name}_{key}"))
    inputs = [f"{name}_{key}" for key in ("levels", "scale", "zero")]
    node = helper.make_node("DequantizeLinear", inputs, [name], axis=1 if rows_last else 0)
    model.graph.node.insert(list(model.graph.node).index(projection), node)


def _keep_apart(model: onnx.ModelProto) -> None:
    """Put a Max with the lowest float behind sums and products that are rounded, so that no runtime fuses the two.

    Fused, they are one kernel whose rounding is the machine's own: x86 and wasm gave other vectors for 9 of
    60 images of EfficientNet-Lite0, up to 1e-3. Apart, every step is one IEEE operation: 0 of 100, 1e-7.
    """
    rounded = {node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    apart = [n for n in model.graph.node if n.op_type in ("Add", "Mul") and n.output[0] in rounded]
    if apart:
        lowest = np.array(np.finfo(np.float32).min, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(lowest, "lowest"))
    for node in apart:
        name = node.output[0]
        node.output[0] = f"{name}_apart"
        barrier = helper.make_node("Max", [node.output[0], "lowest"], [name])
        model.graph.node.insert(list(model.graph.node).index(node) + 1, barrier)


def _share_equal(model: onnx.ModelProto) -> None:
    """Keep one of equal initialisers: zero points alone are a twentieth of a small int8 file."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    same: dict[str, str] = {}
    for tensor in list(model.graph.initializer):
        array = numpy_helper.to_array(tensor)
        kept = first.setdefault((tensor.data_type, array.shape, array.tobytes()), tensor.name)
        if kept != tensor.name:
            same[tensor.name] = kept
            model.graph.initializer.remove(tensor)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)


def _shorten(model: onnx.ModelProto) -> None:
    """Give inner tensors short names and drop the shapes left over: names are a quarter of a small int8 file."""
    graph = model.graph
    del graph.value_info[:]
    names = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    for tensor in graph.initializer:
        tensor.name = names.setdefault(tensor.name, _short(len(names)))
        tensor.ClearField("doc_string")
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = names.setdefault(name, _short(len(names)))


def _short(number: int) -> str:
    """Return a name that no input or output has.

    >>> _short(255)
    '_ff'
    """
    return f"_{number:x}"
