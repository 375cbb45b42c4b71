"""A run that was cut off ends where the unkilled one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hetvs.config import TERMS, StudentConfig
from hetvs.errors import ConfigError
from hetvs.files import digest_file
from hetvs.manifest import Manifest
from hetvs.training.run import CONFIG_NAME
from hetvs.training.student import StudentStage, train_student


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


SETTINGS = (
    "--backbone hetvs/edgenet --img-size 16 --source-size 24 --epochs 100 -b 16 --views 2 --queue 32 --width 0.5 "
    "--depth 1 --amp off --threads 1 --checkpoint-every 0.1"
)


def student_command(shapes_folder: Path, shapes_cloud: Path, output: Path, *more: str) -> list[str]:
    main = "from hetvs.cli import main; main()"
    words = ["train-student", str(shapes_folder), "--teacher", str(shapes_cloud), "-o", str(output)]
    return [sys.executable, "-c", main, *words, *SETTINGS.split(), *more]


def test_an_interrupted_student_resumes_to_the_same_weights(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_student: StudentConfig
) -> None:
    everything = dict.fromkeys(TERMS, 0.1)
    config = replace(tiny_student, epochs=10, queue=20, checkpoint_every=0.0, focal=1.0, **everything)
    train_student(shapes, shapes_cloud, tmp_path / "whole", config)
    terms, calls = StudentStage.terms, []

    def fails_once(stage: StudentStage, images: np.ndarray, epoch: int) -> dict[str, torch.Tensor]:
        calls.append(epoch)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return terms(stage, images, epoch)

    monkeypatch.setattr(StudentStage, "terms", fails_once)
    with pytest.raises(KeyboardInterrupt):
        train_student(shapes, shapes_cloud, tmp_path / "cut", config)
    train_student(shapes, shapes_cloud, tmp_path / "cut", config, resume=True)
    assert len(calls) == 11  # five steps, the one that failed, and the five that were left
    assert digest_file(tmp_path / "whole/model.safetensors") == digest_file(tmp_path / "cut/model.safetensors")


@pytest.mark.slow
def test_a_killed_student_resumes_to_the_same_weights(shapes_folder: Path, shapes_cloud: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(student_command(shapes_folder, shapes_cloud, whole), check=True, capture_output=True)
    process = subprocess.Popen(
        student_command(shapes_folder, shapes_cloud, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = killed / "checkpoints" / "last.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(np.random.default_rng().uniform(0, 0.3))  # a random moment after the first checkpoint
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "card.json").exists(), "the run ended before it could be killed"
    subprocess.run(student_command(shapes_folder, shapes_cloud, killed, "--resume"), check=True, capture_output=True)
    assert digest_file(whole / "model.safetensors") == digest_file(killed / "model.safetensors")
    steps = [line["step"] for line in metrics(killed)]
    assert steps == sorted(set(steps)), "a step is reported twice"


def test_resuming_with_other_settings_is_refused(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    train_student(shapes, shapes_cloud, tmp_path / "edge", tiny_student)
    with pytest.raises(ConfigError, match=f"{CONFIG_NAME}: the run was started with lr = 0.003, not 0.1"):
        train_student(shapes, shapes_cloud, tmp_path / "edge", replace(tiny_student, lr=0.1), resume=True)


def test_a_setting_that_is_younger_than_the_run_is_its_default(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    train_student(shapes, shapes_cloud, tmp_path / "edge", tiny_student)
    started = tmp_path / "edge" / CONFIG_NAME
    lines = started.read_text().splitlines(keepends=True)
    started.write_text("".join(line for line in lines if not line.startswith(("noise", "ema"))))
    train_student(shapes, shapes_cloud, tmp_path / "edge", tiny_student, resume=True)
    with pytest.raises(ConfigError, match=r"the run was started with noise = 0\.0, not 0\.5"):
        train_student(shapes, shapes_cloud, tmp_path / "edge", replace(tiny_student, noise=0.5), resume=True)
