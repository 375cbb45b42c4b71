"""`hetvs finetune-linear` on drawn shapes: the run that it leaves, what it says of itself, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from hetvs.artifacts import ModelCard
from hetvs.cli import main
from hetvs.config import LinearConfig, StudentConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError
from hetvs.linear.delta import Delta
from hetvs.manifest import Manifest
from hetvs.models.storage import load_prototypes, load_run
from hetvs.training.student import train_student
from hetvs.training.tangent_data import drawn


@pytest.fixture(scope="module")
def edge(
    shapes: Manifest, shapes_cloud: Path, tiny_student: StudentConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A leaky student of the cloud."""
    output = tmp_path_factory.mktemp("runs") / "edge"
    train_student(shapes, shapes_cloud, output, replace(tiny_student, activation="leaky_relu", ridge="end"))
    return output


def tune(data: Path, edge: Path, cloud: Path | None, output: Path, *more: str) -> Result:
    teacher = ["--teacher", str(cloud)] if cloud else []
    words = ["finetune-linear", str(data), "--start", str(edge), *teacher, "-o", str(output), "--threads", "1", *more]
    return CliRunner().invoke(main, words)


@pytest.fixture(scope="module")
def tuned(shapes_folder: Path, shapes_cloud: Path, edge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "tuned"
    result = tune(shapes_folder, edge, shapes_cloud, output)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"next: hetvs export {output} -o bundles/tuned"
    return output


def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_the_run_stays_in_the_clouds_space_and_moves_towards_it(tuned: Path, edge: Path, shapes_cloud: Path) -> None:
    card, start = ModelCard.load(tuned), ModelCard.load(edge)
    assert card.space == ModelCard.load(shapes_cloud).space
    assert card.backbone == "tangent/hetvs/edgenet"
    assert card.macs > start.macs
    vectors = open_encoder(tuned).encode(pixels())
    assert vectors.shape == (5, 16)
    assert not np.allclose(vectors, open_encoder(edge).encode(pixels()), atol=1e-4)
    assert {"val/q,g/map", "val/start q,g/map", "val/nfr@1", "val/q,g/cosine"} <= set(card.validation)


def test_the_card_says_whether_it_is_linear_quadratic(tuned: Path) -> None:
    facts = ModelCard.load(tuned).training
    assert facts["activations"] == ["LeakyReLU(0.1)"]
    assert (facts["solver"], facts["kfac"], facts["mode"]) == ("cg", True, "tangent")
    assert facts["layers"] == ["stage3_0.0.0", "stage3_0.1.0", "projection"]
    assert facts["residual"] <= 1e-3
    drift = facts["drift"]
    assert 0 < drift["delta_norm"] <= drift["delta_bound"]
    assert 0 < drift["bound_share"] <= 1
    assert 0 < drift["mean_degrees"] <= drift["worst_degrees"]


def test_two_seeds_give_one_model(
    tuned: Path, shapes_folder: Path, shapes_cloud: Path, edge: Path, tmp_path: Path
) -> None:
    result = tune(shapes_folder, edge, shapes_cloud, tmp_path / "other", "--seed", "7", "--batch-size", "5")
    assert result.exit_code == 0, result.output
    first, second = (open_encoder(run).encode(pixels()) for run in (tuned, tmp_path / "other"))
    assert np.abs(first - second).max() < 1e-3


def test_labels_get_a_head_of_their_own(shapes_folder: Path, edge: Path, tmp_path: Path) -> None:
    result = tune(shapes_folder, edge, None, tmp_path / "labels", "--target", "labels", "--solver", "dual", "--json")
    assert result.exit_code == 0, result.output
    card = ModelCard.load(tmp_path / "labels")
    assert json.loads(result.stdout)["weights_digest"] == card.weights_digest
    assert (card.dim, card.role) == (6, "teacher")
    assert card.space != ModelCard.load(edge).space
    prototypes = load_prototypes(tmp_path / "labels")
    assert prototypes is not None
    assert prototypes.labels == ("shape0", "shape1", "shape4", "shape5", "shape8", "shape9")
    model, _ = load_run(tmp_path / "labels")
    assert isinstance(model.projection, torch.nn.Linear)


def test_the_projection_alone_merges_into_plain_weights(
    shapes_folder: Path, shapes_cloud: Path, edge: Path, tmp_path: Path
) -> None:
    result = tune(shapes_folder, edge, shapes_cloud, tmp_path / "head", "--layers", "1", "--solver", "dual")
    assert result.exit_code == 0, result.output
    card, start = ModelCard.load(tmp_path / "head"), ModelCard.load(edge)
    assert (card.backbone, card.backbone_options, card.macs) == (start.backbone, start.backbone_options, start.macs)
    assert card.training["mode"] == "merged"
    delta = Delta.load(tmp_path / "head").vector_P
    plain, first = load_run(tmp_path / "head")[0], load_run(edge)[0]
    moved = plain.projection.weight - first.projection.weight
    torch.testing.assert_close(moved.flatten().double(), delta[: moved.numel()], rtol=1e-4, atol=1e-6)


def test_an_image_is_taken_away_exactly(shapes_folder: Path, edge: Path, tmp_path: Path) -> None:
    exact = ("--solver", "dual", "--target", "labels", "--ridge", "0")
    result = tune(shapes_folder, edge, None, tmp_path / "less", *exact, "--without", "images/0_0.png")
    assert result.exit_code == 0, result.output
    facts = ModelCard.load(tmp_path / "less").training
    assert facts["images"] == 23
    assert facts["residual"] < 1e-4  # of the problem that never had the image
    stranger = tune(shapes_folder, edge, None, tmp_path / "x", *exact, "--without", "me")
    assert (stranger.exit_code, "'me' is not among" in stranger.stderr) == (1, True)


def test_influence_is_a_page_with_pictures(shapes_folder: Path, shapes_cloud: Path, edge: Path, tmp_path: Path) -> None:
    more = ("--solver", "dual", "--layers", "2", "--influence", "2")
    result = tune(shapes_folder, edge, shapes_cloud, tmp_path / "why", *more)
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "why" / "influence.json").read_text())
    assert len(said) == 2
    assert all(change > 0 for _, change in said[0]["helped"])
    assert all(change < 0 for _, change in said[0]["harmed"])
    page = (tmp_path / "why" / "influence.html").read_text()
    assert page.count("data:image/png;base64,") == 2 + sum(len(s["helped"]) + len(s["harmed"]) for s in said)


def test_deltas_add_and_subtract(
    tuned: Path, shapes_folder: Path, shapes_cloud: Path, edge: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    assert tune(shapes_folder, edge, shapes_cloud, site, "--rows", "domain=pen0").exit_code == 0
    words = ["add-deltas", str(edge), "--add", str(tuned), "--add", str(site), "-o", str(tmp_path / "both")]
    assert CliRunner().invoke(main, words).exit_code == 0
    both, a, b = (Delta.load(run).vector_P for run in (tmp_path / "both", tuned, site))
    torch.testing.assert_close(both, a + b)
    words = ["add-deltas", str(edge), "--add", str(tuned), "--subtract", str(tuned), "-o", str(tmp_path / "none")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    back, start = (open_encoder(run).encode(pixels()) for run in (tmp_path / "none", edge))
    assert np.abs(back - start).max() < 1e-5
    words = ["add-deltas", str(shapes_cloud), "--add", str(tuned), "-o", str(tmp_path / "wrong")]
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, "is not of" in result.stderr) == (1, True)


def test_what_cannot_be_is_refused(
    tuned: Path, shapes_folder: Path, shapes_cloud: Path, edge: Path, run_folder: Path, tmp_path: Path
) -> None:
    for words, said in (
        ((edge, None), "target cloud needs --teacher"),
        ((tuned, shapes_cloud), "is a tangent network already"),
        ((edge, run_folder), "is not gallery space"),
    ):
        result = tune(shapes_folder, *words, tmp_path / "x", "--overwrite")
        assert (result.exit_code, len(result.stderr.splitlines()[-1:])) == (1, 1)
        assert said in result.stderr
    for values, said in (
        ({"ridge": 0.0}, "ridge = 0 needs the exact solution"),
        ({"influence": 1}, "influence needs the exact solution"),
        ({"solver": "dual", "influence": 1, "without": "a"}, "drop without"),
        ({"damping": "none"}, "damping 'none' is unknown"),
        ({"layers": -1}, "layers must be >= 0"),
        ({"alpha": 0.0}, "alpha must be > 0"),
    ):
        with pytest.raises(ConfigError, match=said):
            LinearConfig(**values)  # type: ignore[arg-type]


def test_a_draw_is_nested_and_depends_on_no_order() -> None:
    ids = np.array([f"{i}" for i in range(40)])
    labels = np.array(["a", "b"] * 20)
    few, more = (drawn(ids, labels, LinearConfig(target="labels", per_class=count)) for count in (2, 5))
    assert (len(few), len(more)) == (4, 10)
    assert set(few) <= set(more)
    assert sorted(labels[few]) == ["a", "a", "b", "b"]
    order = np.random.default_rng(0).permutation(40)
    again = drawn(ids[order], labels[order], LinearConfig(target="labels", per_class=2))
    assert set(ids[order][again]) == set(ids[few])
    assert len(drawn(ids, labels, LinearConfig(images=7))) == 7


@pytest.mark.slow
def test_the_exported_graph_is_equal_to_the_run(tuned: Path, shapes_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", str(tuned), "--data", str(shapes_folder), "-o", str(tmp_path / "b")])
    assert result.exit_code == 0, result.output
    card = json.loads((tmp_path / "b" / "card.json").read_text())
    assert card["export"]["parity_max_abs"] <= 1e-4
    assert CliRunner().invoke(main, ["check", str(tmp_path / "b")]).exit_code == 0
