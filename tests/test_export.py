from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from export import bundle as bundle_module
from export.bundle import export_bundle
from export.golden import GOLDEN_FILES, GOLDEN_IMAGES, cut_sides, golden_cuts, parity_rows, png_bytes, read_pixels
from export.graph import graph_metadata, read_metadata
from export.parity import require_parity
from export.to_onnx import _require_opset, require_linear_end
from hetvs.artifacts import EdgeBundle
from hetvs.cli import main
from hetvs.config import ExportConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError, ManifestError, ParityError
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.embedder import Embedder
from hetvs.models.storage import load_run
from hetvs.preprocess import Preprocess


def test_the_graph_takes_one_uint8_nhwc_image_and_gives_one_unit_vector(bundle_folder: Path) -> None:
    graph = onnx.load(bundle_folder / "model.onnx").graph
    (pixels,), (embedding,) = graph.input, graph.output
    assert pixels.name == "pixels"
    assert pixels.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value for d in pixels.type.tensor_type.shape.dim] == [1, 32, 32, 3]
    assert embedding.name == "embedding"
    assert embedding.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [d.dim_value for d in embedding.type.tensor_type.shape.dim] == [1, 16]


def test_the_graph_is_one_file_without_left_overs(bundle_folder: Path) -> None:
    model = onnx.load(bundle_folder / "model.onnx", load_external_data=False)
    names = {path.name for path in bundle_folder.iterdir()}
    assert names == {
        "model.onnx",
        "card.json",
        "golden_0.png",
        "golden_1.png",
        "golden_pixels.npy",
        "golden_vectors.npy",
    }
    assert not model.graph.value_info
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}  # folded
    assert str(Path.cwd()).encode() not in model.SerializeToString()  # no stack traces of the exporting machine
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == EdgeBundle.load(bundle_folder).opset


def test_metadata_says_what_the_side_car_says(bundle_folder: Path) -> None:
    card = EdgeBundle.load(bundle_folder).card
    metadata = read_metadata(onnx.load(bundle_folder / "model.onnx"))
    side_car = json.loads((bundle_folder / "card.json").read_text())
    assert metadata == graph_metadata(card)
    assert metadata["hetvs.space_id"] == side_car["space"]["space_id"]
    assert metadata["hetvs.size_px"] == str(side_car["preprocess"]["size_px"])
    assert metadata["hetvs.resize"] == side_car["preprocess"]["resize"]
    assert metadata["hetvs.weights_digest"] == side_car["weights_digest"]
    assert metadata["hetvs.schema_version"] == str(side_car["schema_version"])


def test_a_batch_of_one_equals_the_eval_mode_vector_of_pytorch(
    bundle_folder: Path, run_folder: Path, letters: Path
) -> None:
    manifest = read_manifest(letters)
    embedder, card = load_run(run_folder)
    pixels = read_pixels(manifest, manifest.rows("train"), card.preprocess)  # not the images of the export
    with torch.inference_mode():
        expected = np.concatenate([embedder(torch.from_numpy(p[None]).permute(0, 3, 1, 2)).numpy() for p in pixels])
    actual = open_encoder(bundle_folder, threads=1).encode(pixels)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_golden_images_are_real_pixels_and_do_not_depend_on_row_order(bundle_folder: Path, letters: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    manifest = read_manifest(letters)
    rows = {str(image_id): row for row, image_id in enumerate(manifest.ids)}
    whole = bundle.golden_ids[GOLDEN_FILES:]
    assert len(set(whole)) == GOLDEN_IMAGES
    assert all(manifest.splits[rows[image_id]] == "val" for image_id in whole)
    first = manifest.paths[rows[whole[0]]]
    np.testing.assert_array_equal(bundle.golden_pixels[GOLDEN_FILES], Preprocess(size_px=32).read(first))
    assert [str(i) for i in manifest.ids[parity_rows(manifest)][:GOLDEN_IMAGES]] == list(whole)
    assert bundle.parity_max_abs < 1e-5


def test_golden_files_are_cuts_of_real_images_at_a_size_of_their_own(bundle_folder: Path, letters: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    manifest = read_manifest(letters)
    cuts = golden_cuts(manifest, parity_rows(manifest)[:GOLDEN_IMAGES], 32)
    assert [cut.size for cut in cuts] == list(cut_sides(40, 40, 32)) == [(40, 25), (12, 20)]
    for row, (name, cut) in enumerate(zip(bundle.golden_files, cuts, strict=True)):
        assert (bundle_folder / name).read_bytes() == png_bytes(cut)
        np.testing.assert_array_equal(Image.open(bundle_folder / name).convert("RGBA"), cut)
        np.testing.assert_array_equal(Preprocess(size_px=32).read(bundle_folder / name), bundle.golden_pixels[row])


def test_golden_files_are_the_images_with_the_most_detail(
    tmp_path: Path, make_manifest: Callable[..., Manifest]
) -> None:
    grey = Image.new("RGBA", (20, 20), (128, 128, 128, 255))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype=np.uint8))
    pictures = [grey, noise, grey, grey.rotate(45), grey]
    manifest = make_manifest("abcde", ids=[str(tmp_path / f"{n}") for n in range(5)])
    for path, picture in zip(manifest.paths, pictures, strict=True):
        picture.save(path)
    wide, tall = golden_cuts(manifest, np.arange(5), 16)
    np.testing.assert_array_equal(wide, noise.crop((0, 4, 20, 16)))
    np.testing.assert_array_equal(tall, pictures[3].crop((7, 5, 13, 15)))


@given(width=st.integers(1, 300), height=st.integers(1, 300), size_px=st.integers(2, 100))
def test_a_golden_file_is_never_as_long_as_the_models_side(width: int, height: int, size_px: int) -> None:
    for cut_width, cut_height in cut_sides(width, height, size_px):
        assert 1 <= cut_width <= min(width, 2 * size_px)
        assert 1 <= cut_height <= min(height, 2 * size_px)
        assert max(cut_width, cut_height) != size_px


def test_too_few_images_are_refused(tmp_path: Path, letters: Path) -> None:
    lines = (letters / "manifest.csv").read_text().splitlines()[:10]
    (tmp_path / "manifest.csv").write_text("\n".join(line.replace(",", f",{letters}/", 1) for line in lines))
    with pytest.raises(ManifestError):
        parity_rows(read_manifest(tmp_path))


class Relued(Embedder):
    """An embedder with the forbidden ReLU between projection and norm."""

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.normalize(self.projection(self.features(pixels)).relu() + 1e-3, dim=-1)


@pytest.mark.parametrize("fault", ["relu", "not linear", "one sign"])
def test_a_space_that_cannot_be_reached_is_refused(fault: str, run_folder: Path, bundle_folder: Path) -> None:
    embedder, card = load_run(run_folder)
    features = embedder.projection.in_features
    pixels = torch.from_numpy(EdgeBundle.load(bundle_folder).golden_pixels)
    require_linear_end(embedder, pixels)
    if fault == "relu":
        embedder = Relued(embedder.trunk, features, 16, card.preprocess).eval()
    elif fault == "not linear":
        embedder.__dict__["projection"] = nn.Identity()
    else:
        nn.init.constant_(embedder.projection.bias, 100.0)
    with pytest.raises(ConfigError, match=r"^export: "):
        require_linear_end(embedder, pixels)


def test_parity_names_image_component_difference_and_tolerance() -> None:
    expected = np.zeros((3, 4), np.float32)
    actual = expected.copy()
    actual[1, 2] = 0.25
    assert require_parity(expected, actual, ["a", "b", "c"], 0.3, "m.onnx") == 0.25
    with pytest.raises(ParityError, match=r"m\.onnx: image 'b', component 2 differs .* 0\.25, tolerance 0\.1 \(1 of 3"):
        require_parity(expected, actual, ["a", "b", "c"], 0.1, "m.onnx")
    actual[2, 0] = np.nan
    with pytest.raises(ParityError, match="image 'c', component 0 differs from PyTorch by inf"):
        require_parity(expected, actual, ["a", "b", "c"], 0.3, "m.onnx")


def test_a_failed_parity_leaves_nothing_behind(
    run_folder: Path, bundle_folder: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = onnx.load(bundle_folder / "model.onnx")
    weight = next(t for t in graph.graph.initializer if len(t.dims) == 2)
    weight.raw_data = (onnx.numpy_helper.to_array(weight) + 0.05 * np.eye(*weight.dims, dtype=np.float32)).tobytes()
    monkeypatch.setattr(bundle_module, "to_onnx", lambda *_: graph)
    with pytest.raises(ParityError, match=r"tolerance 0\.0001"):
        export_bundle(run_folder, read_manifest(letters), tmp_path / "b", ExportConfig())
    assert list(tmp_path.iterdir()) == []


def test_another_opset_than_asked_is_refused(bundle_folder: Path) -> None:
    graph = onnx.load(bundle_folder / "model.onnx")
    _require_opset(graph, 18)
    with pytest.raises(ConfigError, match=r"asked for opset 19.* wrote 18"):
        _require_opset(graph, 19)


def test_command_uses_the_data_of_the_run_and_prints_the_next_command(
    run_folder: Path, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = onnx.load(bundle_folder / "model.onnx")
    monkeypatch.setattr(bundle_module, "to_onnx", lambda *_: graph)  # one real export per session
    output = tmp_path / "edge"
    result = CliRunner().invoke(main, ["export", str(run_folder), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "parity" in result.stdout
    assert result.stdout.splitlines()[-1] == f"next: hetvs check {output}"
    again = CliRunner().invoke(main, ["export", str(run_folder), "-o", str(output)])
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert CliRunner().invoke(main, ["export", str(run_folder), "-o", str(output), "--overwrite"]).exit_code == 0


def test_command_asks_for_data_that_has_moved(run_folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "run"
    moved.mkdir()
    card = json.loads((run_folder / "card.json").read_text())
    for training in ({}, {"data": str(tmp_path / "gone")}):
        (moved / "card.json").write_text(json.dumps({**card, "training": training}))
        result = CliRunner().invoke(main, ["export", str(moved), "-o", str(tmp_path / "out")])
        assert result.exit_code == 1
        assert "add --data" in result.stderr
        assert len(result.stderr.splitlines()) == 1
