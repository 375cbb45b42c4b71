from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from export import to_int8 as to_int8_module
from export.candidates import Candidate
from export.to_int8 import Trials, int8_bundle
from hetvs.artifacts import EdgeBundle, ModelCard
from hetvs.cli import main
from hetvs.config import ExportConfig, StudentConfig
from hetvs.errors import ConfigError, GateError, IncompatibleSpaceError
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.storage import load_run, save_run, weights_digest
from hetvs.training.student import train_student
from hetvs.training.train_on import end_of_schedule, settings_of, train_on

GOOD, POOR = Candidate("u8", True, "minmax"), Candidate("s8-7bit", False, "minmax")
JUDGED = ExportConfig(int8=True, qat=True, split="val", draws=100, threads=1)


@pytest.fixture(scope="module")
def student(shapes: Manifest, shapes_cloud: Path, tiny_student: StudentConfig, tmp_path_factory: Any) -> Path:
    """A finished run of the tiny student of the cloud model."""
    output = tmp_path_factory.mktemp("runs") / "edge"
    train_student(shapes, shapes_cloud, output, tiny_student)
    return output


def test_the_same_loop_trains_on_by_the_settings_of_the_run(
    student: Path, shapes: Manifest, shapes_cloud: Path, tmp_path: Path
) -> None:
    run = tmp_path / "edge"
    shutil.copytree(student, run)
    embedder, _ = load_run(run)
    before = weights_digest(embedder)
    config = end_of_schedule(settings_of(run), share=0.5, lr_share=0.1, threads=1)
    assert (config.epochs, config.queue, config.amp) == (2, 32, "off")
    trained = train_on(embedder, run, shapes_cloud, shapes, tmp_path, config)
    assert weights_digest(trained) != before
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2]  # 24 train images, 16 in a step: one step in each of the two epochs
    assert weights_digest(load_run(run)[0]) == before  # the run itself is left alone


def test_a_teacher_of_another_space_is_refused(
    student: Path, shapes: Manifest, run_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(IncompatibleSpaceError):
        train_on(torch.nn.Identity(), student, run_folder, shapes, tmp_path, settings_of(student))


def retried(
    bundle: Path, letters: Path, output: Path, max_loss: float, train_on: Callable[..., tuple[Path, dict[str, Any]]]
) -> EdgeBundle:
    """Make an int8 bundle of the better of two candidates, with something else in the place of a training."""
    config = replace(JUDGED, max_loss=max_loss)
    return int8_bundle(EdgeBundle.load(bundle), bundle, read_manifest(letters), output, config, train_on=train_on)[0]


def test_nothing_is_trained_while_a_candidate_passes(
    bundle_folder: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> tuple[Path, dict[str, Any]]:
        raise AssertionError("trained for nothing")

    monkeypatch.setattr(to_int8_module, "CANDIDATES", (GOOD,))
    bundle = retried(bundle_folder, letters, tmp_path / "b", 100, refuse)
    assert "qat" not in bundle.quantisation


def test_a_refused_candidate_is_trained_on_and_the_new_file_is_judged_alone(
    bundle_folder: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def give_back_float(source: EdgeBundle, trials: Trials, candidate: Candidate) -> tuple[Path, dict[str, Any]]:
        asked.append(candidate.name)
        path = trials.graph.parent / "learned.onnx"
        shutil.copyfile(source.model_path, path)
        return path, {"epochs": 3}

    monkeypatch.setattr(to_int8_module, "CANDIDATES", (GOOD, POOR))
    real = to_int8_module.loss_of
    high = {GOOD.name: 0.9, POOR.name: 0.9}

    def worse(columns: Any, name: str, *rest: Any) -> Any:
        loss = real(columns, name, *rest)
        return replace(loss, map=replace(loss.map, high=high.get(name, loss.map.high)))

    monkeypatch.setattr(to_int8_module, "loss_of", worse)
    bundle = retried(bundle_folder, letters, tmp_path / "b", 0.5, give_back_float)
    facts = bundle.quantisation
    assert asked == [facts["qat"]["refused"]]
    assert (facts["candidate"], facts["qat"]["epochs"]) == ("learned", 3)
    assert facts["qat"]["refused_loss"]["map"]["high"] == 0.9
    assert set(facts["val_map"]) == {"fp32", GOOD.name, POOR.name, "learned"}
    assert facts["loss"]["map"]["value"] == 0  # the float file itself
    high["learned"] = 0.9
    with pytest.raises(GateError):
        retried(bundle_folder, letters, tmp_path / "c", 0.5, give_back_float)
    assert not (tmp_path / "c").exists()


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["export", *map(str, arguments)])
    return result.exit_code, result.output


def test_what_cannot_be_trained_on_is_refused_before_any_work(
    run_folder: Path, bundle_folder: Path, student: Path, letters: Path, tmp_path: Path
) -> None:
    out, int8 = ("-o", tmp_path / "b"), ("--int8", "--qat", "--gallery", bundle_folder, "--data", letters)
    for arguments, said in (
        ((run_folder, *out, "--qat"), "qat learns to live with int8; add --int8"),
        ((run_folder, *out, "--teacher", "t"), "--teacher is for --qat alone"),
        ((bundle_folder, *out, *int8), "is a bundle, which cannot be trained on; give its run"),
        ((run_folder, *out, *int8), "is a teacher, only a student can be trained on"),
        ((student, *out, *int8, "--teacher", letters), "holds no model to learn from; add --teacher"),
    ):
        code, output = invoke(*arguments)
        assert code == 1
        assert said in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["qat_share", "qat_lr"])
def test_shares_are_shares(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} must be in \(0, 1\]"):
        ExportConfig(int8=True, **{name: 1.5})


def unevenly_scaled(run: Path) -> None:
    """Make the first two layers' channels 2^-5 to 2^5 times as large, and undo it in the next: the same function.

    One scale for all channels of a weight then leaves most of them next to no level (Nagel et al., arXiv 1906.04721).
    """
    embedder, card = load_run(run)
    state = embedder.state_dict()
    norm, kernel = "trunk.stem.1", "trunk.stage1_0.0.0.weight"
    factor = 2.0 ** torch.linspace(-5, 5, len(state[f"{norm}.weight"]))
    for name in ("weight", "bias"):
        state[f"{norm}.{name}"] *= factor
    state[kernel] /= factor[:, None, None, None]
    embedder.load_state_dict(state)
    save_run(run, embedder, replace(card, weights_digest=weights_digest(embedder)))


@pytest.mark.slow
def test_a_net_that_rounds_badly_learns_to_live_with_it(
    shapes: Manifest,
    shapes_cloud: Path,
    tiny_student: StudentConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "edge"
    train_student(shapes, shapes_cloud, run, replace(tiny_student, epochs=60))
    unevenly_scaled(run)
    monkeypatch.setattr(to_int8_module, "CANDIDATES", (POOR,))
    asked = (run, "--int8", "--gallery", shapes_cloud, "--split", "val", "--draws", 100, "--threads", 1)
    learn = ("--qat", "--qat-share", 1, "--qat-lr", 1, "--max-loss", 100)
    monkeypatch.setattr(to_int8_module, "is_small", lambda *_: False)  # three classes are no proof, either way
    code, said = invoke(*asked, "-o", tmp_path / "b", *learn)
    assert code == 0, said
    assert f"{POOR.name} did not pass and was trained on for 60 epochs" in said
    bundle = EdgeBundle.load(tmp_path / "b")
    facts = bundle.quantisation
    before, after = facts["qat"]["refused_loss"], facts["loss"]
    assert facts["qat"]["parity_max_abs"] <= 1e-2
    assert after["cosine_mean"] > before["cosine_mean"] + 0.02
    assert ModelCard.load(run).space == bundle.card.space
    assert np.isfinite(bundle.golden_vectors).all()
