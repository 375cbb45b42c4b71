from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from export.verify import check_bundle, space_of
from hetvs.artifacts import EdgeBundle, EmbeddingSet, SpaceCard
from hetvs.cli import main
from hetvs.errors import ArtifactError, IncompatibleSpaceError, ParityError
from hetvs.files import digest_file


@pytest.fixture
def copied(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle that a test may spoil."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def edit_card(bundle: Path, edit: Callable[[dict], None]) -> None:
    card = json.loads((bundle / "card.json").read_text())
    edit(card)
    (bundle / "card.json").write_text(json.dumps(card))


def edit_graph(bundle: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    """Change the graph and sign the change, as someone would who does it on purpose."""
    model = onnx.load(bundle / "model.onnx")
    edit(model)
    (bundle / "model.onnx").write_bytes(model.SerializeToString())
    edit_card(bundle, lambda card: card["export"].update(onnx_digest=digest_file(bundle / "model.onnx")))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def assert_one_line(result: Result, *parts: str) -> None:
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) == 1
    for part in parts:
        assert part in result.stderr


def test_a_whole_bundle_passes(bundle_folder: Path, run_folder: Path) -> None:
    result = run(bundle_folder, "--against", run_folder, "--against", bundle_folder)
    assert result.exit_code == 0, result.output
    assert "golden: 16 images" in result.stdout
    assert result.stdout.splitlines()[-1] == f"next: hetvs bench {bundle_folder} -o bench/"
    facts = json.loads(run(bundle_folder, "--json").stdout)
    assert facts["golden_max_abs"] < facts["tolerance"]


def test_swapped_pixel_order_fails_the_golden_images(copied: Path) -> None:
    pixels = np.load(copied / "golden_pixels.npy")
    np.save(copied / "golden_pixels.npy", pixels[..., ::-1].copy())  # BGR
    with pytest.raises(ParityError, match=r"image '[A-D]\d+', component \d+ differs"):
        check_bundle(copied)
    assert_one_line(run(copied), "differs from PyTorch by", "tolerance")


def test_one_changed_weight_fails(copied: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name.endswith("projection.bias"))
        weights = onnx.numpy_helper.to_array(tensor).copy()
        weights[0] += 0.5  # of the bias: a weight behind a ReLU may never be seen
        tensor.raw_data = weights.tobytes()

    edit_graph(copied, change)
    with pytest.raises(ParityError):
        check_bundle(copied)


def test_changed_mean_or_std_fails_in_the_card_and_in_the_graph(copied: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if list(t.dims) == [1, 3, 1, 1])
        tensor.raw_data = (onnx.numpy_helper.to_array(tensor) * 0.9).astype(np.float32).tobytes()

    original = (copied / "card.json").read_text()
    for key in ("mean", "std"):
        edit_card(copied, lambda card, key=key: card["preprocess"].update({key: [120.0, 127.5, 127.5]}))
        with pytest.raises(ArtifactError, match=r"hetvs\.preprocess_digest"):
            check_bundle(copied)
        (copied / "card.json").write_text(original)
    edit_graph(copied, change)
    with pytest.raises(ParityError):
        check_bundle(copied)


def test_an_unsigned_change_of_the_graph_fails(copied: Path) -> None:
    with (copied / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    assert_one_line(run(copied), "digest differs from card.json")


@pytest.mark.parametrize("keep", [0, 10, 5000])
def test_a_truncated_graph_is_one_line(copied: Path, keep: int) -> None:
    (copied / "model.onnx").write_bytes((copied / "model.onnx").read_bytes()[:keep])
    edit_card(copied, lambda card: card["export"].update(onnx_digest=digest_file(copied / "model.onnx")))
    assert_one_line(run(copied), "model.onnx", "run `hetvs export` again")


@pytest.mark.parametrize("name", ["model.onnx", "card.json", "golden_pixels.npy", "golden_vectors.npy"])
def test_a_missing_file_is_one_line(copied: Path, name: str) -> None:
    (copied / name).unlink()
    assert_one_line(run(copied), name, "not found")


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (lambda card: card.update(schema_version=99), "schema version 99"),
        (lambda card: card["export"].pop("tolerance"), "tolerance"),
        (lambda card: card["export"].update(tolerance="loose"), "could not convert"),
        (lambda card: card["export"].update(golden_ids=["one"]), "does not fit the card"),
        (lambda card: card.pop("export"), "is not the card of an edge bundle"),
        (lambda card: card["space"].update(dim=8), "space_id"),
        (lambda card: card["preprocess"].update(resize="stretch"), "hetvs.resize"),
    ],
)
def test_an_edited_card_is_one_line(copied: Path, edit: Callable[[dict], None], part: str) -> None:
    edit_card(copied, edit)
    assert_one_line(run(copied), part)


def test_a_run_is_not_a_bundle(run_folder: Path) -> None:
    assert_one_line(run(run_folder), "is not the card of an edge bundle")


def test_vectors_of_the_same_space_agree_and_others_do_not(bundle_folder: Path, tmp_path: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    ours = EmbeddingSet(bundle.golden_vectors, bundle.golden_ids, bundle.card.space, bundle.card.weights_digest)
    ours.save(tmp_path / "ours")
    other = SpaceCard(teacher_digest="another", preprocess_digest="p", dim=16)
    EmbeddingSet(bundle.golden_vectors, bundle.golden_ids, other, "m").save(tmp_path / "other")
    assert space_of(tmp_path / "ours") == bundle.card.space
    assert check_bundle(bundle_folder, (tmp_path / "ours",)).golden_max_abs < 1e-5
    with pytest.raises(IncompatibleSpaceError):
        check_bundle(bundle_folder, (tmp_path / "ours", tmp_path / "other"))
    assert_one_line(run(bundle_folder, "--against", tmp_path / "other"), other.space_id, bundle.card.space.space_id)


@pytest.mark.parametrize("change", [{"mean": (120.0, 127.5, 127.5)}, {"std": (120.0, 127.5, 127.5)}, {"size_px": 48}])
def test_the_same_weights_behind_another_preprocessing_are_another_space(
    bundle_folder: Path, tmp_path: Path, change: dict
) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    other = dataclasses.replace(bundle.card.preprocess, **change)
    space = dataclasses.replace(bundle.card.space, preprocess_digest=other.digest())
    EmbeddingSet(bundle.golden_vectors, bundle.golden_ids, space, bundle.card.weights_digest).save(tmp_path / "v")
    with pytest.raises(IncompatibleSpaceError):
        check_bundle(bundle_folder, (tmp_path / "v",))


@pytest.mark.parametrize("text", ["[]", "{}", '"x"', "{", '{"space": 3}'])
def test_an_artifact_without_a_space_is_an_artifact_error(tmp_path: Path, text: str) -> None:
    for name in ("card.json", "space.json"):
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).write_text(text)
        with pytest.raises(ArtifactError):
            space_of(folder)
