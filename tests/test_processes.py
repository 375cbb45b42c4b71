"""Several processes train the student that one process trains, and a killed one does not end the training."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from hetvs.cli import main
from hetvs.encoders import batches, embed, open_encoder
from hetvs.errors import ConfigError
from hetvs.files import digest_file
from hetvs.manifest import Manifest
from hetvs.training import processes
from hetvs.training.student_stage import StudentStage
from tests.shared_batch import steps

STEPS = 150  # of one epoch each: enough to kill a process among them
WORKER = Path(__file__).with_name("shared_batch.py")
# Rounding alone tells one process from several; AdamW may turn it into more where a gradient is nearly zero.
WEIGHTS, VECTORS = 1e-3, 1e-5  # largest difference of a weight, and of a component of a unit vector
SETTINGS = (
    "--backbone hetvs/edgenet --img-size 16 --source-size 24 -b 15 --views 2 --queue 32 --width 0.5 --depth 1 "
    "--amp off --threads 1 --influence 0.2 --focal 1 --cross-similarity 0.1 --checkpoint-every 0"
)


def torchrun(*words: object, restarts: int = 0) -> list[str]:
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", f"--max-restarts={restarts}"]
    return [sys.executable, *start, "-m", "hetvs", *map(str, words)]


def student(data: Path, teacher: Path, output: Path, epochs: int) -> list[object]:
    return ["train-student", data, "--teacher", teacher, "-o", output, "--epochs", epochs, *SETTINGS.split()]


def second_of(starter: int) -> int | None:
    """Return the second of the processes that torchrun has started; None before it is there."""
    children = psutil.Process(starter).children()
    return next((child.pid for child in children if child.environ().get("RANK") == "1"), None)


@given(st.integers(0, 50), st.integers(1, 9))
def test_shares_cover_a_batch_in_order_and_differ_by_one_at_most(total: int, parts: int) -> None:
    shares = [np.arange(total)[processes.part(total, place, parts)] for place in range(parts)]
    assert np.concatenate(shares).tolist() == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_steps_of_two_processes_are_those_of_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workers = [
        subprocess.Popen([sys.executable, WORKER, tmp_path], env={**told, "RANK": str(place)}) for place in range(2)
    ]
    expected = steps()
    assert [worker.wait(timeout=600) for worker in workers] == [0, 0]
    for place in range(2):
        found = load_file(tmp_path / f"{place}.safetensors")
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(
                found[name], value, atol=1e-9, rtol=1e-9, msg=lambda text, name=name: f"{name}: {text}"
            )


def test_a_command_for_one_process_is_refused_in_several(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "0")
    words = ["train-teacher", str(shapes_folder), "-o", str(tmp_path / "cloud"), "--backbone", "hetvs/edgenet"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "only train-student takes several processes, torchrun started 3; start one" in result.stderr


def test_a_restart_goes_on_with_its_run_and_with_nothing_else(
    shapes_folder: Path, shapes_cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = list(map(str, student(shapes_folder, shapes_cloud, tmp_path / "edge", epochs=2)))
    assert CliRunner().invoke(main, words).exit_code == 0
    weights = (tmp_path / "edge" / "model.safetensors").read_bytes()
    (tmp_path / "edge" / "card.json").unlink()  # as if it had been killed at the end
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert "not empty" in CliRunner().invoke(main, words).stderr
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    monkeypatch.setattr(StudentStage, "terms", lambda *_: pytest.fail("the run began anew"))
    result = CliRunner().invoke(main, [*words, "--overwrite"])  # which the first start has obeyed
    assert result.exit_code == 0, result.output
    assert (tmp_path / "edge" / "model.safetensors").read_bytes() == weights
    words[words.index("-o") + 1] = str(shapes_folder)
    assert "not empty" in CliRunner().invoke(main, words).stderr


def test_a_process_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    expected = pytest.raises(ConfigError, match="process 2 of this machine needs a GPU of its own, there are 1")
    with expected, processes.joined("cuda"):
        pass


def test_a_batch_needs_an_image_for_every_process(
    shapes_folder: Path, shapes_cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hetvs.training.processes.count", lambda: 16)
    words = student(shapes_folder, shapes_cloud, tmp_path / "edge", epochs=1)
    result = CliRunner().invoke(main, list(map(str, words)))
    assert "16 processes share batches of 15 images; start fewer" in result.stderr


@pytest.mark.slow
def test_two_processes_train_the_student_of_one(
    shapes: Manifest, shapes_folder: Path, shapes_cloud: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run(
        [sys.executable, "-m", "hetvs", *map(str, student(shapes_folder, shapes_cloud, one, 20))],
        check=True,
        capture_output=True,
    )
    done = subprocess.run(
        torchrun(*student(shapes_folder, shapes_cloud, two, 20)), check=True, capture_output=True, text=True
    )
    assert done.stdout.count("next: hetvs export") == 1
    assert done.stderr.count("teacher's val vectors") == 1, "only the first process reads the val split"
    expected, found = (load_file(run / "model.safetensors") for run in (one, two))
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=WEIGHTS, rtol=0, msg=name)
    lines = [(run / "metrics.jsonl").read_text().count("\n") for run in (one, two)]
    assert lines[0] == lines[1]
    rows = batches(np.arange(len(shapes)), 64)
    first, second = (embed(open_encoder(run, threads=1), shapes, rows).vectors_ND for run in (one, two))
    assert np.abs(first - second).max() <= VECTORS


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_the_run_ends_as_the_unkilled_one(
    shapes_folder: Path, shapes_cloud: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(torchrun(*student(shapes_folder, shapes_cloud, whole, STEPS)), check=True, capture_output=True)
    words = torchrun(*student(shapes_folder, shapes_cloud, killed, STEPS), restarts=1)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as starter:
        deadline = time.monotonic() + 600
        while (second := second_of(starter.pid)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        while not (killed / "checkpoints" / "last.pt").is_file() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert second is not None
        os.kill(second, signal.SIGKILL)
        assert not (killed / "card.json").exists(), "the run ended before it could be killed"
        out, _ = starter.communicate(timeout=900)
        assert starter.returncode == 0
    assert out.count("next: hetvs export") == 1
    assert digest_file(whole / "model.safetensors") == digest_file(killed / "model.safetensors")
