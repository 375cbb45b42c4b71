from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from export import to_int8 as to_int8_module
from export.calibrate import calibration_pixels
from export.candidates import CANDIDATES, Candidate
from export.gate import Loss, least_loss, require_small_loss
from export.graph import read_metadata
from export.quantise import _keep_apart, quantise, weights_digest
from export.verify import check_bundle
from hetvs.artifacts import EdgeBundle
from hetvs.cli import main
from hetvs.config import ExportConfig
from hetvs.encoders import open_encoder, open_session, run_session
from hetvs.errors import ConfigError, GateError, IncompatibleSpaceError, ManifestError, ParityError
from hetvs.manifest import read_manifest
from hetvs.retrieval.intervals import Estimate

TWO = (Candidate("u8", True, "minmax"), Candidate("s8-7bit", False, "percentile"))
SETTINGS = ["--int8", "--split", "val", "--draws", "100", "--threads", "1"]


def export_int8(source: Path, gallery: Path, data: Path, output: Path, *more: str) -> tuple[int, str]:
    arguments = ["export", str(source), "-o", str(output), "--gallery", str(gallery), "--data", str(data)]
    result = CliRunner().invoke(main, [*arguments, *SETTINGS, *more])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def twins(letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of the letters in which every image stands twice, alone with its twin in a class: fp32 scores 1."""
    path = tmp_path_factory.mktemp("twins") / "manifest.csv"
    images = [(number, ("val", "val", "train", "test")[number % 4]) for number in range(32)]
    rows = [f"{n}{side},{letters / str(n)}.png,class{n},{split}" for n, split in images for side in "ab"]
    path.write_text("\n".join(["id,path,label,split", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def int8_folder(bundle_folder: Path, twins: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The int8 twin of the exported bundle, best of two candidates."""
    folder = tmp_path_factory.mktemp("int8") / "edge8"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(to_int8_module, "CANDIDATES", TWO)
        code, said = export_int8(bundle_folder, bundle_folder, twins, folder, "--max-loss", "100")
    assert code == 0, said
    return folder


def test_no_candidate_can_overflow_sixteen_bits(
    bundle_folder: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_int8_module, "CANDIDATES", TWO)
    bundle = EdgeBundle.load(bundle_folder)
    pixels, _ = calibration_pixels(read_manifest(letters), bundle.card.preprocess, 8)
    files = to_int8_module.try_all(bundle, pixels, tmp_path).files.values()
    for path, kind in zip(files, (np.uint8, np.int8), strict=True):
        graph = onnx.load(path).graph
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        kernels = [
            constants[n.input[0]] for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in constants
        ]
        kernels = [array for array in kernels if array.ndim == 4]
        assert {array.dtype for array in kernels} == {np.dtype(kind)}  # unsigned ones are widened before they multiply
        assert kind == np.uint8 or all(2 * 255 * np.abs(array.astype(int)).max() < 2**15 for array in kernels)
    assert {c.weights for c in CANDIDATES} == {c.weights for c in TWO}
    assert len({c.name for c in CANDIDATES}) == len(CANDIDATES) == 12


def test_the_file_is_int8_inside_and_float_at_both_ends(int8_folder: Path, bundle_folder: Path) -> None:
    graph = onnx.load(int8_folder / "model.onnx").graph
    assert graph.input[0].name == "pixels"
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert not graph.value_info
    made_by = {out: node for node in graph.node for out in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv":  # pixels, weights and bias: all from integers
            assert [made_by[name].op_type for name in node.input] == ["DequantizeLinear"] * 3
        if node.op_type == "QuantizeLinear":  # a sum and its rounding in one kernel differ between CPUs
            assert made_by[node.input[0]].op_type not in ("Add", "Mul")
    (linear,) = (node for node in graph.node if node.op_type == "Gemm")
    assert made_by[linear.input[0]].op_type == "Reshape"  # pooled features are not rounded
    assert constants[made_by[linear.input[1]].input[0]].data_type == onnx.TensorProto.INT8
    assert linear.input[2] in constants
    assert (int8_folder / "model.onnx").stat().st_size < (bundle_folder / "model.onnx").stat().st_size


def test_a_sum_is_kept_apart_from_its_rounding() -> None:
    nodes = [
        onnx.helper.make_node("Add", ["a", "b"], ["sum"]),
        onnx.helper.make_node("QuantizeLinear", ["sum", "scale", "zero"], ["out"]),
        onnx.helper.make_node("Add", ["a", "b"], ["other"]),  # not rounded: left alone
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))
    _keep_apart(model)
    written = [(n.op_type, list(n.input), list(n.output)) for n in model.graph.node]
    assert written[:2] == [("Add", ["a", "b"], ["sum_apart"]), ("Max", ["sum_apart", "lowest"], ["sum"])]
    assert written[2:] == [(n.op_type, list(n.input), list(n.output)) for n in nodes[1:]]


def test_the_card_says_how_it_was_made_and_what_it_loses(int8_folder: Path, bundle_folder: Path) -> None:
    fp32, int8 = EdgeBundle.load(bundle_folder), EdgeBundle.load(int8_folder)
    assert (fp32.precision, int8.precision) == ("fp32", "int8")
    assert int8.card.space == fp32.card.space
    graph = onnx.load(int8.model_path)
    assert int8.card.weights_digest == weights_digest(graph) != fp32.card.weights_digest
    assert read_metadata(graph)["hetvs.weights_digest"] == int8.card.weights_digest
    facts = json.loads((int8_folder / "card.json").read_text())["export"]["quantisation"]
    assert facts["candidate"] in {c.name for c in TWO}
    assert set(facts["val_map"]) == {"fp32", *(c.name for c in TWO)}
    assert facts["calibration_images"] == 16  # every train image there is
    assert facts["source_weights_digest"] == fp32.card.weights_digest
    loss = facts["loss"]
    assert loss["map"]["value"] == pytest.approx(facts["val_map"]["fp32"] - facts["val_map"][facts["candidate"]])
    assert loss["map"]["low"] <= loss["map"]["value"] <= loss["map"]["high"]
    assert facts["val_map"]["fp32"] == 1
    assert 0.9 < loss["cosine_min"] <= loss["cosine_mean"] < 1


def test_golden_vectors_are_those_of_the_int8_file(int8_folder: Path, bundle_folder: Path, tmp_path: Path) -> None:
    bundle = EdgeBundle.load(int8_folder)
    assert bundle.tolerance == 1e-6
    np.testing.assert_array_equal(
        open_encoder(int8_folder, threads=1).encode(bundle.golden_pixels), bundle.golden_vectors
    )
    assert check_bundle(int8_folder, (bundle_folder,)).golden_max_abs == 0
    float_BD = run_session(open_session(bundle_folder / "model.onnx", 1), bundle.golden_pixels)
    assert 1e-4 < np.abs(float_BD - bundle.golden_vectors).max() <= bundle.parity_max_abs + 0.2


def test_a_machine_that_rounds_otherwise_is_caught(int8_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(int8_folder, tmp_path / "b")
    golden = np.load(tmp_path / "b" / "golden_vectors.npy")
    golden[3, 2] += 2e-6
    np.save(tmp_path / "b" / "golden_vectors.npy", golden)
    with pytest.raises(
        ParityError, match=r"component 2 differs from its own export by 2.*e-06, tolerance 1e-06 \(1 of 18"
    ):
        check_bundle(tmp_path / "b")


def test_the_least_loss_is_kept_and_luck_is_no_merit() -> None:
    cosines = {"a": 0.9, "b": 0.99, "c": 1.0}
    assert least_loss(0.5, {"a": 0.49, "b": 0.48, "c": 0.47}, cosines) == "a"
    assert least_loss(0.5, {"a": 0.53, "b": 0.50, "c": 0.49}, cosines) == "b"


def loss(value: float, low: float | None, high: float | None) -> Loss:
    estimate = Estimate(value, low, high, "" if high is not None else "one query")
    return Loss("val", "B", 40, "queries", estimate, estimate, estimate, 0.99, 0.9)


def test_the_gate_asks_for_the_whole_interval() -> None:
    require_small_loss(loss(0.001, -0.002, 0.004), 0.5)
    require_small_loss(loss(0.001, -0.002, 0.005), 0.5)
    for refused in (loss(0.004, 0.001, 0.0051), loss(0.02, 0.01, 0.03), loss(0.0, None, None)):
        with pytest.raises(GateError, match=r"at most 0\.5 points of mAP .* on val, 40 queries; nothing is written"):
            require_small_loss(refused, 0.5)


def spoilt(model: onnx.ModelProto) -> onnx.ModelProto:
    """Move the rows of the projection by one: unit vectors still, whose components mean nothing in the gallery."""
    levels = next(t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 2)
    levels.raw_data = np.roll(onnx.numpy_helper.to_array(levels), 1, axis=0).tobytes()
    return model


def test_a_bad_candidate_is_refused_with_exit_code_3_and_nothing_is_written(
    bundle_folder: Path, twins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_int8_module, "CANDIDATES", TWO[:1])
    monkeypatch.setattr(to_int8_module, "quantise", lambda *asked: spoilt(quantise(*asked)))
    code, said = export_int8(bundle_folder, bundle_folder, twins, tmp_path / "edge8")
    assert code == 3
    assert "int8 is not shown to lose at most 0.5 points" in said
    assert list(tmp_path.iterdir()) == []


def test_of_a_good_and_a_bad_candidate_the_good_one_is_kept(
    bundle_folder: Path, twins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil_the_second(graph: Path, ranges: object, candidate: Candidate) -> onnx.ModelProto:
        model = quantise(graph, ranges, candidate)
        return spoilt(model) if candidate == TWO[1] else model

    monkeypatch.setattr(to_int8_module, "CANDIDATES", TWO[::-1])
    monkeypatch.setattr(to_int8_module, "quantise", spoil_the_second)
    code, said = export_int8(bundle_folder, bundle_folder, twins, tmp_path / "edge8", "--max-loss", "100")
    assert code == 0
    assert f"int8: {TWO[0].name}" in said


def test_the_gate_asks_its_own_split(
    bundle_folder: Path, twins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_int8_module, "CANDIDATES", TWO)
    more = ("--max-loss", "100", "--split", "test")
    code, said = export_int8(bundle_folder, bundle_folder, twins, tmp_path / "edge8", *more)
    assert code == 0
    assert "loss on test, 16 queries" in said
    assert "chosen on val" in said


def test_calibration_takes_train_images_in_an_order_of_their_ids(letters: Path, bundle_folder: Path) -> None:
    manifest, preprocess = read_manifest(letters), EdgeBundle.load(bundle_folder).card.preprocess
    some, digest = calibration_pixels(manifest, preprocess, 8)
    every, other = calibration_pixels(manifest, preprocess, 99)
    np.testing.assert_array_equal(every[:8], some)
    assert len(every) == (manifest.splits == "train").sum()
    assert digest != other == calibration_pixels(manifest, preprocess, 99)[1]


def test_what_cannot_be_calibrated_or_judged_is_refused_before_any_work(
    bundle_folder: Path, int8_folder: Path, shapes_cloud: Path, letters: Path, tmp_path: Path
) -> None:
    bundle, manifest, config = EdgeBundle.load(bundle_folder), read_manifest(letters), ExportConfig(split="val")
    make = to_int8_module.int8_bundle
    with pytest.raises(IncompatibleSpaceError):
        make(bundle, shapes_cloud, manifest, tmp_path / "a", config)
    with pytest.raises(ConfigError, match="is int8 already"):
        make(EdgeBundle.load(int8_folder), bundle_folder, manifest, tmp_path / "a", config)
    lines = (letters / "manifest.csv").read_text().replace(",train", ",test").splitlines()
    (tmp_path / "m.csv").write_text(
        "\n".join(line.replace(",", f",{letters}/", 1) for line in lines).replace(f"{letters}/path", "path")
    )
    with pytest.raises(ManifestError, match="0 train images"):
        make(bundle, bundle_folder, read_manifest(tmp_path / "m.csv"), tmp_path / "a", config)


@pytest.mark.parametrize("arguments", [["--int8"], ["--gallery", "g"]])
def test_int8_and_a_gallery_belong_together(arguments: list[str], run_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", str(run_folder), "-o", str(tmp_path / "b"), *arguments])
    assert result.exit_code == 1
    assert "--int8 and --gallery belong together" in result.output


def test_an_fp32_bundle_is_not_exported_again(bundle_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", str(bundle_folder), "-o", str(tmp_path / "b")])
    assert result.exit_code == 1
    assert "is a bundle already" in result.output
