"""Rotated spaces: no cosine moves, prefixes hold the energy, both sides are cut alike or refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner, Result

from hetvs.artifacts import EdgeBundle, EmbeddingSet, ModelCard
from hetvs.cli import main
from hetvs.config import RotateConfig, StudentConfig, TeacherConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ArtifactError
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.fold import cut_to_prefix
from hetvs.models.storage import load_prototypes, load_run
from hetvs.rotate import find_rotation, rotate
from hetvs.training.student import train_student
from hetvs.training.teacher import train_teacher
from tests.conftest import draw_shapes

DIM = 4
CUT = 2


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four shapes in four hues: 48 train images, enough for a basis of four components."""
    return draw_shapes(tmp_path_factory.mktemp("many") / "data", classes=24)


@pytest.fixture(scope="module")
def manifest(data: Path) -> Manifest:
    return read_manifest(data)


@pytest.fixture(scope="module")
def cloud(manifest: Manifest, tiny_teacher: TeacherConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "cloud"
    train_teacher(manifest, output, replace(tiny_teacher, dim=DIM, epochs=1))
    return output


@pytest.fixture(scope="module")
def rotated(cloud: Path, data: Path) -> Path:
    output = cloud.with_name("rotated")
    result = hetvs("rotate", cloud, "--data", data, "-o", output, "--threads", 1)
    assert result.exit_code == 0, result.output
    return output


@pytest.fixture(scope="module")
def edge(manifest: Manifest, rotated: Path, tiny_student: StudentConfig) -> Path:
    output = rotated.with_name("edge")
    train_student(manifest, rotated, output, replace(tiny_student, epochs=1, prefixes="1,2"))
    return output


def vectors_of(run: Path, manifest: Manifest) -> np.ndarray:
    encoder = open_encoder(run, threads=1)
    return encoder.encode(np.stack([encoder.card.preprocess.read(path) for path in manifest.paths]))


# The rotated run.


def test_a_rotated_run_gives_turned_vectors_and_the_same_cosines(
    cloud: Path, rotated: Path, manifest: Manifest
) -> None:
    before, after = vectors_of(cloud, manifest), vectors_of(rotated, manifest)
    assert np.abs(before - after).max() > 0.1
    assert np.abs(before @ before.T - after @ after.T).max() < 1e-6
    train = manifest.rows("train")
    energy = json.loads((rotated / "rotation" / "card.json").read_text())["fitted"]["energy"]
    np.testing.assert_allclose(np.cumsum((after[train] ** 2).mean(0)), energy, atol=1e-5)


def test_the_card_says_where_the_space_comes_from(cloud: Path, rotated: Path) -> None:
    before, after = ModelCard.load(cloud), ModelCard.load(rotated)
    basis = json.loads((rotated / "rotation" / "card.json").read_text())["weights_digest"]
    assert after.space == before.space.rotated(basis)
    assert after.training["rotated"] == {"from": str(cloud), "parent": before.space.space_id, "basis": basis}
    assert (after.name, after.macs, after.parameters) == ("rotated", before.macs, before.parameters)
    assert after.weights_digest != before.weights_digest


def test_prototypes_turn_with_the_vectors(cloud: Path, rotated: Path, manifest: Manifest) -> None:
    scores = []
    for run in (cloud, rotated):
        prototypes = load_prototypes(run)
        assert prototypes is not None
        scores.append(vectors_of(run, manifest) @ prototypes.rows_CD.numpy().T)
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


def test_each_prefix_is_printed_with_its_energy_and_space(cloud: Path, data: Path, tmp_path: Path) -> None:
    words = ("rotate", cloud, "--data", data, "--threads", 1)
    lines = hetvs(*words, "-o", tmp_path / "a").stdout.splitlines()
    space = ModelCard.load(tmp_path / "a").space
    assert lines[0].endswith(f"rotated to {space.space_id}, basis of 48 train images")
    assert lines[1].startswith("prefix    4: energy 100.0 %, space ")
    assert [line.split()[-1] for line in lines[1:4]] == [space.prefix(dim).space_id for dim in (4, 2, 1)]
    assert lines[-1] == f"next: hetvs train-student DATA --teacher {tmp_path / 'a'} --prefixes 2 -o runs/edge"
    as_json = json.loads(hetvs(*words, "-o", tmp_path / "b", "--json").stdout)
    assert len(as_json["fitted"]["energy"]) == DIM


# The other sides.


def test_stored_vectors_and_another_run_follow_by_the_basis(
    cloud: Path, rotated: Path, data: Path, manifest: Manifest, tmp_path: Path
) -> None:
    assert hetvs("embed", data, "--model", cloud, "-o", tmp_path / "old", "--threads", 1).exit_code == 0
    for source in (tmp_path / "old", cloud):
        output = tmp_path / f"new-{source.name}"
        result = hetvs("rotate", source, "--basis", rotated, "-o", output)
        assert result.exit_code == 0, result.output
        asked = f"--gallery-model {rotated} --query-model {output} --prefixes 2 -o report"
        assert f"next: hetvs evaluate DATA {asked}" in result.stdout
    stored, expected = EmbeddingSet.load(tmp_path / "new-old"), vectors_of(rotated, manifest)
    assert stored.space == ModelCard.load(rotated).space == ModelCard.load(tmp_path / "new-cloud").space
    np.testing.assert_allclose(stored.vectors_ND, expected, atol=1e-6)
    np.testing.assert_allclose(vectors_of(tmp_path / "new-cloud", manifest), expected, atol=1e-6)


def test_a_basis_of_stored_vectors_is_that_of_their_model(
    cloud: Path, rotated: Path, data: Path, manifest: Manifest, tmp_path: Path
) -> None:
    assert hetvs("embed", data, "--model", cloud, "-o", tmp_path / "old", "--threads", 1).exit_code == 0
    result = hetvs("rotate", tmp_path / "old", "--data", data, "-o", tmp_path / "new")
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(EmbeddingSet.load(tmp_path / "new").vectors_ND, vectors_of(rotated, manifest), atol=1e-4)


def test_what_cannot_be_rotated_is_one_line(
    cloud: Path, rotated: Path, shapes_cloud: Path, data: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model.onnx").touch()
    for words, said in (
        ((shapes_cloud, "--data", data), "48 vectors of the train split; a basis of D = 16 needs 160"),
        ((bundle, "--data", data), "is a bundle; rotate its run and export that"),
        ((bundle, "--basis", rotated), "is a bundle; rotate its run and export that"),
        ((shapes_cloud, "--basis", rotated), "but the rotation is one of space"),
        ((rotated, "--basis", rotated), "the rotated one; there is nothing left to do"),
        ((cloud, "--basis", cloud), "holds no rotation"),
        ((cloud, "--data", tmp_path / "gone"), "does not say which images to find the basis on, or they are gone"),
    ):
        result = hetvs("rotate", *words, "-o", tmp_path / "out", "--threads", 1)
        assert result.exit_code == 1, result.output
        assert said in result.stderr
        assert result.stderr.splitlines()[-1].startswith("Error: ")
        assert not (tmp_path / "out").exists()


def test_a_broken_write_leaves_nothing(
    cloud: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ArtifactError("no space left")

    rotation = find_rotation(cloud, manifest, RotateConfig(threads=1))
    monkeypatch.setattr("hetvs.rotate.save_map", broken)
    with pytest.raises(ArtifactError, match="no space left"):
        rotate(cloud, rotation, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# Prefixes.


def test_a_prefix_is_cut_then_normalised(rotated: Path, data: Path, manifest: Manifest, tmp_path: Path) -> None:
    result = hetvs("embed", data, "--model", rotated, "--dim", CUT, "-o", tmp_path / "v", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert f"next: hetvs export runs/edge --dim {CUT} " in result.stdout
    found, whole = EmbeddingSet.load(tmp_path / "v"), vectors_of(rotated, manifest)
    assert found.space == ModelCard.load(rotated).space.prefix(CUT)
    for row, vector in enumerate(whole):
        length = np.sqrt(sum(value**2 for value in vector[:CUT]))
        np.testing.assert_allclose(found.vectors_ND[row], vector[:CUT] / length, atol=1e-6)


def test_prefixes_of_a_space_that_is_not_rotated_are_refused(
    cloud: Path, rotated: Path, data: Path, manifest: Manifest, tiny_student: StudentConfig, tmp_path: Path
) -> None:
    pair = ("--gallery-model", rotated, "--query-model", rotated / ".." / "rotated")
    for words, said in (
        (("embed", data, "--model", cloud, "--dim", CUT), "it is not rotated; run `hetvs rotate`"),
        (("embed", data, "--model", rotated, "--dim", 5), "has 1 to 4 components, not 5"),
        (("export", cloud, "--data", data, "--dim", CUT), "it is not rotated; run `hetvs rotate`"),
        (("train-student", data, "--teacher", cloud, "--prefixes", CUT), "it is not rotated; run `hetvs rotate`"),
        (("train-student", data, "--teacher", rotated, "--prefixes", "2,4"), "a prefix of 4 is the whole vector"),
        (("evaluate", data, *pair, "--prefixes", 4), "a prefix of 4 is the whole vector"),
    ):
        result = hetvs(*words, "-o", tmp_path / words[0])
        assert result.exit_code == 1, result.output
        assert said in result.stderr


def test_two_lengths_are_never_compared(rotated: Path, edge: Path, data: Path, tmp_path: Path) -> None:
    for run, dim in ((rotated, 2), (edge, 1), (edge, 2)):
        words = ("embed", data, "--model", run, "--dim", dim, "-o", tmp_path / f"{run.name}-{dim}", "--threads", 1)
        assert hetvs(*words).exit_code == 0
    words = ("evaluate", data, "--gallery-model", tmp_path / "rotated-2", "-o", tmp_path / "report", "--draws", 100)
    for query in (tmp_path / "edge-1", edge):
        refused = hetvs(*words, "--query-model", query)
        assert refused.exit_code == 1
        assert "cut both sides to the same --dim" in refused.stderr
    assert hetvs(*words, "--query-model", tmp_path / "edge-2").exit_code == 0


def test_a_student_of_the_rotated_space_is_judged_at_every_length(
    rotated: Path, edge: Path, data: Path, tmp_path: Path
) -> None:
    card = ModelCard.load(edge)
    assert (card.space, card.training["terms"]["prefixes"]) == (ModelCard.load(rotated).space, 1.0)
    words = ("evaluate", data, "--gallery-model", rotated, "--query-model", edge, "--draws", 100, "--threads", 1)
    result = hetvs(*words, "--prefixes", "1,2", "-o", tmp_path / "report")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    rows = report["prefixes"]
    assert [(row["query"], row["dim"]) for row in rows] == [("edge", 4), ("edge", 2), ("edge", 1)]
    whole = {(cell["query"], cell["gallery"]): cell["metrics"] for cell in report["cells"]}
    assert rows[0]["q_g"] == whole["edge", "rotated"]
    assert rows[0]["g_g"] == whole["rotated", "rotated"]
    assert rows[0]["q_g_loss"]["map"] == {"value": 0.0, "low": 0.0, "high": 0.0, "reason": ""}
    lost = rows[0]["q_g"]["map"]["value"] - rows[2]["q_g"]["map"]["value"]
    assert rows[2]["q_g_loss"]["map"]["value"] == pytest.approx(lost)

    for run in (rotated, edge):  # the row of a length is what its own vectors give
        cut = tmp_path / f"{run.name}-1"
        assert hetvs("embed", data, "--model", run, "--dim", 1, "-o", cut, "--threads", 1).exit_code == 0
    alone = ("--gallery-model", tmp_path / "rotated-1", "--query-model", tmp_path / "edge-1")
    assert hetvs("evaluate", data, *alone, "--draws", 100, "-o", tmp_path / "alone").exit_code == 0
    cells = json.loads((tmp_path / "alone" / "report.json").read_text())["cells"]
    found = {(cell["query"], cell["gallery"]): cell["metrics"]["map"]["value"] for cell in cells}
    assert found["edge-1", "rotated-1"] == pytest.approx(rows[2]["q_g"]["map"]["value"])
    assert found["rotated-1", "rotated-1"] == pytest.approx(rows[2]["g_g"]["map"]["value"])
    assert "| edge | 2 | " in (tmp_path / "report" / "report.md").read_text()
    assert "how short may a vector be?" in (tmp_path / "report" / "report.html").read_text()
    assert "components" in result.stdout


def test_a_model_cut_to_a_prefix_is_a_model_of_its_space(edge: Path, manifest: Manifest) -> None:
    whole, card = load_run(edge)
    short, _ = load_run(edge)
    cut_card = cut_to_prefix(short, card, CUT)
    assert cut_card.space == card.space.prefix(CUT)
    assert (cut_card.macs < card.macs, cut_card.parameters < card.parameters) == (True, True)
    assert cut_card.weights_digest not in ("", card.weights_digest)
    pixels = torch.from_numpy(np.stack([card.preprocess.read(path) for path in manifest.paths])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = F.normalize(whole(pixels)[:, :CUT], dim=1)
        torch.testing.assert_close(short(pixels), expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_graph_of_a_prefix_gives_its_unit_vector(
    edge: Path, data: Path, manifest: Manifest, tmp_path: Path
) -> None:
    result = hetvs("export", edge, "--data", data, "--dim", CUT, "-o", tmp_path / "bundle")
    assert result.exit_code == 0, result.output
    bundle = EdgeBundle.load(tmp_path / "bundle")
    assert bundle.card.space == ModelCard.load(edge).space.prefix(CUT)
    assert hetvs("check", tmp_path / "bundle").exit_code == 0
    found, whole = vectors_of(tmp_path / "bundle", manifest), vectors_of(edge, manifest)[:, :CUT]
    np.testing.assert_allclose(found, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-4)
    again = hetvs("export", tmp_path / "bundle", "--data", data, "--dim", 1, "-o", tmp_path / "again")
    assert again.exit_code == 1
    assert "is a bundle" in again.stderr


def test_the_rotation_that_lies_in_a_run_is_guarded(cloud: Path, rotated: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(rotated, copy)
    path = copy / "rotation" / "map.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\1\0")
    result = hetvs("rotate", cloud, "--basis", copy, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "differs from the digest" in result.stderr
