from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result

from export.verify import check_bundle, space_of
from hetvs.artifacts import EdgeBundle, EmbeddingSet, SpaceCard
from hetvs.cli import main
from hetvs.errors import ArtifactError, IncompatibleSpaceError
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
    assert "golden: 18 images" in result.stdout
    assert "resize: 2 golden files, largest difference 0 of 255 levels" in result.stdout
    assert result.stdout.splitlines()[-1] == f"next: hetvs bench {bundle_folder} -o bench/"
    facts = json.loads(run(bundle_folder, "--json").stdout)
    assert facts["golden_max_abs"] < facts["tolerance"]
    assert (facts["golden_files"], facts["resize_max_levels"]) == (["golden_0.png", "golden_1.png"], 0)


def test_an_unsigned_change_of_the_graph_fails(copied: Path) -> None:
    with (copied / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    assert_one_line(run(copied), "digest differs from card.json")


@pytest.mark.parametrize("name", ["model.onnx", "card.json", "golden_0.png", "golden_pixels.npy", "golden_vectors.npy"])
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
        (lambda card: card["export"].update(opset=19), "opset 18, card.json says 19"),
        (lambda card: card["preprocess"].update(mean=[120.0, 116.28, 103.53]), "hetvs.preprocess_digest"),
        (lambda card: card["preprocess"].update(std=[58.0, 57.12, 57.375]), "hetvs.preprocess_digest"),
        (lambda card: card["preprocess"].update(resize="stretch"), "resize contract 'stretch'"),
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
