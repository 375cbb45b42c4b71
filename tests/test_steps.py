from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from hetvs.models.steps import OPERATORS

# Attributes, inputs with a batch of 1, inputs that a graph holds: of each operator at least one case.
CONV = {"strides": [2, 2], "dilations": [1, 1], "kernel_shape": [3, 3]}
POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "dilations": [1, 1], "storage_order": 0}
MAP = (1, 4, 7, 7)
Case = tuple[str, dict[str, Any], list[tuple[int, ...]], list[np.ndarray]]


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


CASES: list[Case] = [
    ("Add", {}, [MAP, MAP], []),
    ("Cast", {"to": onnx.TensorProto.FLOAT}, [MAP], []),
    ("Clip", {}, [MAP], [np.float32(-0.2), np.float32(0.7)]),
    ("Clip", {}, [MAP], [np.float32(0.1)]),
    ("Concat", {"axis": 1}, [MAP, MAP], []),
    ("Conv", {**CONV, "pads": [1, 1, 1, 1], "group": 1}, [MAP], [random(6, 4, 3, 3), random(6)]),
    ("Conv", {**CONV, "pads": [0, 0, 1, 1], "group": 4}, [MAP], [random(4, 1, 3, 3)]),
    ("Div", {}, [MAP], [random(1, 4, 1, 1)]),
    ("Expand", {}, [(1, 1)], [whole(1, 5)]),
    ("Gemm", {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}, [(1, 4)], [random(3, 4), random(3)]),
    ("Gemm", {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}, [(1, 4)], [random(4, 3)]),
    ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, [MAP], []),
    ("HardSwish", {}, [MAP], []),
    ("Max", {}, [MAP], [np.float32(0)]),
    ("MaxPool", {**POOL, "pads": [1, 1, 1, 1], "ceil_mode": 0}, [MAP], []),
    ("MaxPool", {**POOL, "pads": [0, 0, 0, 0], "ceil_mode": 1}, [(1, 2, 8, 8)], []),
    ("Mul", {}, [MAP, MAP], []),
    ("ReduceL2", {"keepdims": 1, "noop_with_empty_axes": 0}, [(1, 9)], [whole(-1)]),
    ("ReduceMean", {"keepdims": 0, "noop_with_empty_axes": 0}, [MAP], [whole(-1, -2)]),
    ("Relu", {}, [MAP], []),
    ("Reshape", {"allowzero": 1}, [MAP], [whole(1, 2, 2, 49)]),
    ("Sigmoid", {}, [MAP], []),
    ("Split", {"axis": 1, "num_outputs": 2}, [MAP], []),
    ("Split", {"axis": 1}, [MAP], [whole(3, 1)]),
    ("Sub", {}, [MAP], [random(1, 4, 1, 1)]),
    ("Transpose", {"perm": [0, 2, 3, 1]}, [MAP], []),
]


def onnx_says(case: Case, images: list[np.ndarray]) -> list[np.ndarray]:
    """Run one node with a batch of 1 in ONNX Runtime."""
    op, attributes, shapes, held = case
    names = [f"x{i}" for i in range(len(shapes))] + [f"c{i}" for i in range(len(held))]
    outputs = ["y0", "y1"] if op == "Split" else ["y0"]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(op, names, outputs, **attributes)],
        "one",
        [value(name, onnx.TensorProto.FLOAT, shape) for name, shape in zip(names, shapes, strict=False)],
        [value(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), f"c{i}") for i, array in enumerate(held)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    said: list[np.ndarray] = session.run(None, dict(zip(names, images, strict=False)))
    return said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_operator_means_on_a_batch_what_onnx_means_on_each_image(case: Case) -> None:
    op, attributes, shapes, held = case
    batches = [random(3, *shape[1:]) + i for i, shape in enumerate(shapes)]
    ours = OPERATORS[op](attributes, *map(torch.from_numpy, batches), *(torch.from_numpy(np.asarray(a)) for a in held))
    parts = [ours] if isinstance(ours, torch.Tensor) else list(ours)
    for image in range(3):
        theirs = onnx_says(case, [batch[image : image + 1] for batch in batches])
        for part, expected in zip(parts, theirs, strict=True):
            np.testing.assert_allclose(part[image : image + 1].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_every_operator_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(OPERATORS)
