from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from export.calibrate import activation_ranges, calibration_pixels
from export.candidates import CANDIDATES, Candidate
from export.graph import load_graph
from export.plan import plan_of, with_ranges, with_weights
from export.quantise import quantise, rounded_graph
from hetvs.artifacts import EdgeBundle
from hetvs.encoders import open_session, run_session
from hetvs.errors import ConfigError
from hetvs.levels import to_levels
from hetvs.manifest import read_manifest
from hetvs.models.rounded import Plan, RoundedNet, Step
from hetvs.models.rounding import (
    LARGEST_SUM,
    WeightLevels,
    activation_levels,
    round_bias,
    round_to_levels,
    straight_round,
)
from hetvs.models.storage import load_run

SCHEMES = [c for c in CANDIDATES if c.calibration == "minmax"]


def read_back(x: np.ndarray, scale: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Run QuantizeLinear and DequantizeLinear in ONNX Runtime, unfused."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["levels"]),
        helper.make_node("DequantizeLinear", ["levels", "scale", "zero"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "xy"]
    held = [numpy_helper.from_array(scale, "scale"), numpy_helper.from_array(zero, "zero")]
    graph = helper.make_graph(nodes, "qdq", values[:1], values[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    read: np.ndarray = session.run(None, {"x": x})[0]
    return read


@given(st.integers(0, 2**32 - 1), st.floats(-8, 0, width=32), st.floats(0.015625, 8, width=32))
def test_rounding_is_that_of_onnx_to_the_last_bit(seed: int, low: float, high: float) -> None:
    x = np.random.default_rng(seed).normal(scale=high, size=500).astype(np.float32)
    scale, zero = activation_levels(torch.tensor(low), torch.tensor(high))
    x[:9] = (np.arange(9, dtype=np.float32) - 4.5) * scale.item()  # halves between two levels
    ours = round_to_levels(torch.from_numpy(x), scale, zero, 0, 255)
    np.testing.assert_array_equal(ours.numpy(), read_back(x, scale.numpy(), zero.numpy().astype(np.uint8)))


@given(st.floats(-8, 0, width=32), st.floats(0.015625, 8, width=32))
def test_levels_of_a_range_are_those_of_the_quantiser(low: float, high: float) -> None:
    from onnxruntime.quantization.quant_utils import compute_scale_zp

    ends = [np.array(value, np.float32) for value in (low, high)]
    zero, scale = compute_scale_zp(*ends, np.array(0, np.uint8), np.array(255, np.uint8))
    ours = activation_levels(torch.tensor(low), torch.tensor(high))
    assert (ours[0].item(), ours[1].item()) == (scale.item(), zero.item())


def test_an_empty_range_holds_zero() -> None:
    scale, zero = activation_levels(torch.tensor(0.0), torch.tensor(0.0))
    assert (scale.item(), zero.item()) == (1, 0)


def test_the_gradient_passes_a_rounding_as_if_it_were_not_there() -> None:
    x = torch.tensor([0.2, 1.7, -3.5], requires_grad=True)
    (straight_round(x) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 2, 3]


def test_gradients_equal_a_naive_loop() -> None:
    """Within the levels: 1 for x, round(v) - v for the scale; beyond them: level - zero for it, -scale for zero."""
    x = torch.tensor([-2.0, -0.52, 0.3, 0.77, 3.0], requires_grad=True)
    scale, zero = torch.tensor(0.25, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    round_to_levels(x, scale, zero, 0, 7).sum().backward()
    expected = {"scale": 0.0, "zero": 0.0}
    for position, value in enumerate(x.tolist()):
        level = round(value / 0.25) + 3
        inside = 0 <= level <= 7
        assert x.grad is not None
        assert x.grad[position] == float(inside)
        expected["scale"] += round(value / 0.25) - value / 0.25 if inside else min(max(level, 0), 7) - 3
        expected["zero"] += 0 if inside else -0.25
    assert scale.grad is not None
    assert zero.grad is not None
    assert scale.grad.item() == pytest.approx(expected["scale"], abs=1e-6)
    assert zero.grad.item() == pytest.approx(expected["zero"])


def test_symmetric_rows_are_the_levels_of_stored_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    rows[2] = 0
    levels, scale = to_levels(rows)
    ours = WeightLevels(-127, 127, symmetric=True, axis=0).rounded(torch.from_numpy(rows))
    np.testing.assert_array_equal(ours.numpy(), levels * scale[:, None])


def test_the_bias_of_a_dead_channel_is_kept_by_a_wider_scale_or_cut_off() -> None:
    bias, scale = torch.tensor([0.5, 0.5]), torch.tensor([1e-3, 1e-14])
    assert round_bias(bias, scale, widen=True).tolist() == pytest.approx([0.5, 0.5])
    assert round_bias(bias, scale, widen=False).tolist() == pytest.approx([0.5, 1e-14 * LARGEST_SUM])


def test_an_operator_without_a_step_is_named() -> None:
    with pytest.raises(ConfigError, match="--qat cannot train Einsum"):
        Plan(steps=(Step("Einsum", ("x",), ("y",)),), input="x", output="y", constants={}, weights={})


@pytest.fixture(scope="module")
def images(letters: Path, bundle_folder: Path) -> np.ndarray:
    """The 16 train images of the letters at the size of the bundle."""
    return calibration_pixels(read_manifest(letters), EdgeBundle.load(bundle_folder).card.preprocess, 16)[0]


@pytest.fixture(scope="module")
def calibrated(bundle_folder: Path, images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The float graph, and the ranges of its activations on half the images."""
    path = tmp_path_factory.mktemp("graph") / "float.onnx"
    onnx.save(load_graph(bundle_folder / "model.onnx"), path)
    return path, activation_ranges(path, images[:8], "minmax")


def net_of(calibrated: tuple[Path, Any], candidate: Candidate) -> RoundedNet:
    path, ranges = calibrated
    return RoundedNet(plan_of(rounded_graph(path, ranges, candidate), load_graph(path), ranges, candidate))


def vectors(net: RoundedNet, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        vectors_BD: np.ndarray = net(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    return vectors_BD


def test_folded_and_not_rounded_it_is_the_embedder(
    calibrated: tuple[Path, Any], run_folder: Path, images: np.ndarray
) -> None:
    graph = load_graph(calibrated[0])
    net = RoundedNet(plan_of(graph, graph, {}, SCHEMES[0]))
    assert not any("BatchNorm" in step.op for step in net.plan.steps)
    embedder, _ = load_run(run_folder)
    with torch.inference_mode():
        expected = embedder(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(vectors(net, images), expected, atol=1e-5)


@pytest.mark.parametrize("candidate", SCHEMES, ids=lambda c: c.name)
def test_every_weight_is_rounded_to_the_levels_in_the_file(calibrated: tuple[Path, Any], candidate: Candidate) -> None:
    net, graph = net_of(calibrated, candidate), rounded_graph(*calibrated, candidate)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    for name, levels in net.plan.levels.items():
        scale, zero = levels.scale_and_zero(torch.tensor(net.plan.weights[name]))
        stored = held.get(f"{name}_quantized", held.get(f"{name}_levels"))
        assert stored is not None
        with torch.no_grad():
            ours = net._rounded_weight(name) / scale + zero
        np.testing.assert_allclose(ours, stored.astype(np.float32), atol=1e-3)
    assert {name for name, array in net.plan.weights.items() if array.ndim > 1} == set(net.plan.levels)


@pytest.mark.parametrize("candidate", SCHEMES, ids=lambda c: c.name)
def test_what_is_learned_is_what_the_file_says(
    calibrated: tuple[Path, Any], candidate: Candidate, images: np.ndarray, tmp_path: Path
) -> None:
    path, ranges = calibrated
    net = net_of(calibrated, candidate)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for _ in range(5):
        net(torch.from_numpy(images).permute(0, 3, 1, 2))[:, 0].sum().neg().backward()
        optimiser.step()
    assert net.ranges() != net_of(calibrated, candidate).ranges()
    onnx.save(with_weights(load_graph(path), net.weights()), tmp_path / "float.onnx")
    onnx.save(quantise(tmp_path / "float.onnx", with_ranges(ranges, net.ranges()), candidate), tmp_path / "int8.onnx")
    filed, before = (
        run_session(open_session(tmp_path / name, 1) if name else open_session(path, 1), images)
        for name in ("int8.onnx", "")
    )
    assert np.abs(filed - vectors(net, images)).max() < 1e-2
    assert np.abs(filed - before).max() > 2e-2  # five steps have moved them further than that


def test_a_range_keeps_its_zero_and_its_signs(calibrated: tuple[Path, Any]) -> None:
    net = net_of(calibrated, SCHEMES[0])
    before = net.ranges()
    for gain in net.gains.values():
        torch.nn.init.constant_(gain, -0.3)
    after = net.ranges()
    assert {low == 0 for low, _ in before.values()} == {True, False}  # those of ReLUs, and the pixels'
    for name, (low, high) in after.items():
        assert (low == 0) == (before[name][0] == 0)
        assert low <= 0 < high < before[name][1]


def test_it_can_be_copied_for_averaging(calibrated: tuple[Path, Any], images: np.ndarray) -> None:
    net = net_of(calibrated, SCHEMES[0])
    np.testing.assert_array_equal(vectors(copy.deepcopy(net), images), vectors(net, images))
    assert any(".trunk." in f".{name}" for name, _ in net.named_parameters())  # the trunk may have a rate of its own
