"""The golden test on ARM64: the plan, the verdicts, what is missing; and, slow, the real thing under qemu."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edge_bench.arm import __main__ as command
from edge_bench.arm import inside, machine, parity
from edge_bench.arm.machine import QEMU, WHEELS, Machine, fetch_wheel, library, open_machine
from edge_bench.arm.parity import TOLERANCE, judge, run_parity
from edge_bench.runtimes import RUNTIMES
from hetvs.artifacts import EdgeBundle
from hetvs.errors import ArtifactError, DatasetError

MACHINE = Machine("qemu", Path("root"), Path("wheels"))


@pytest.fixture
def edge(bundle_folder: Path) -> EdgeBundle:
    return EdgeBundle.load(bundle_folder)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is fetched or converted; the list says which wheels were asked for."""
    asked: list[str] = []
    monkeypatch.setattr(parity, "fetch_wheel", lambda _folder, package: asked.append(package))
    monkeypatch.setattr(parity, "missing", lambda _runtime: None)
    monkeypatch.setattr(parity, "converted", lambda bundle, *_how: bundle.folder / "converted")
    return asked


def test_every_runtime_of_the_plan_is_known_everywhere() -> None:
    assert set(WHEELS) == set(inside.LOADERS) <= set(RUNTIMES)


def test_the_script_inside_gives_the_golden_vectors_here_too(bundle_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "vectors.npy"
    inside.main("onnxruntime", str(bundle_folder / "model.onnx"), str(bundle_folder), str(output))
    assert judge(EdgeBundle.load(bundle_folder), "onnxruntime", np.load(output), TOLERANCE).verdict == "equal"


def test_a_planted_difference_names_the_image(edge: EdgeBundle) -> None:
    vectors = edge.golden_vectors.copy()
    vectors[5, 0] += 2e-6  # far within the bundle's own tolerance
    outcome = judge(edge, "ncnn", vectors, TOLERANCE)
    assert (outcome.verdict, outcome.max_abs) == ("FAIL", pytest.approx(2e-6, rel=0.1))
    assert "golden image 5" in str(outcome)
    assert judge(edge, "ncnn", edge.golden_vectors, 0).verdict == "equal"


@pytest.mark.parametrize("spoil", [lambda v: v[:, :-1], lambda v: np.where(np.arange(len(v))[:, None] == 3, np.nan, v)])
def test_vectors_of_another_shape_or_nan_fail(edge: EdgeBundle, spoil: object) -> None:
    assert callable(spoil)
    outcome = judge(edge, "mnn", spoil(edge.golden_vectors), TOLERANCE)
    assert (outcome.verdict, outcome.max_abs) == ("FAIL", None)


def test_plan_is_bundle_by_bundle_and_one_failure_stops_none(
    edge: EdgeBundle, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_machine: Machine, runtime: str, _model: Path, _bundle: Path, output: Path) -> None:
        if runtime == "mnn":
            raise ArtifactError("died")
        np.save(output, edge.golden_vectors)

    monkeypatch.setattr(Machine, "run", run)
    found = list(run_parity([edge, edge], ["onnxruntime", "mnn", "ncnn"], TOLERANCE, lambda: MACHINE))
    assert [outcome.verdict for outcome in found] == ["equal", "FAIL", "equal"] * 2
    assert offline == ["numpy", "onnxruntime", "MNN", "ncnn"]


def test_what_cannot_be_asked_is_skipped_with_a_reason(
    edge: EdgeBundle, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_wheel(_folder: Path, package: str) -> None:
        if package == "MNN":
            raise DatasetError("no wheel for ARM64")

    monkeypatch.setattr(parity, "fetch_wheel", no_wheel)
    outcomes = run_parity([replace(edge, precision="int8")], ["mnn", "litert"], TOLERANCE, lambda: MACHINE)
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [
        ("SKIPPED", "no wheel for ARM64"),
        ("SKIPPED", "the converter of litert takes fp32 graphs, this one is int8"),
    ]


def test_missing_qemu_gives_the_install_line(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(command.main, [str(bundle_folder)])
    assert done.exit_code == 1
    assert f"{QEMU} is not installed; run `apt-get install qemu-user-static`" in done.output


def test_a_difference_ends_with_exit_code_3(
    edge: EdgeBundle, bundle_folder: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "open_machine", lambda: MACHINE)
    for spoiled, code in ((0.0, 0), (1e-3, 3)):
        vectors = edge.golden_vectors + np.float32(spoiled)
        monkeypatch.setattr(Machine, "run", lambda *args, vectors=vectors: np.save(args[-1], vectors))
        done = CliRunner().invoke(command.main, [str(bundle_folder), "--runtime", "onnxruntime"])
        assert done.exit_code == code, done.output
        assert len(done.output.splitlines()) == 1


def test_a_dying_process_is_one_line(bundle_folder: Path, tmp_path: Path) -> None:
    dying = tmp_path / "qemu"
    dying.write_text("#!/bin/sh\necho 'first' >&2\necho 'Illegal instruction' >&2\nexit 132\n")
    dying.chmod(0o755)
    with pytest.raises(ArtifactError, match=r"onnxruntime failed under .*: Illegal instruction"):
        replace(MACHINE, qemu=str(dying)).run(
            "onnxruntime", bundle_folder / "model.onnx", bundle_folder, tmp_path / "out.npy"
        )


def test_a_failed_download_leaves_nothing_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_command: list[str], hint: str) -> None:
        raise DatasetError(hint)

    monkeypatch.setattr(machine, "_run", fail)
    with pytest.raises(DatasetError, match=r"has no wheel for ARM64"):
        fetch_wheel(tmp_path, "numpy")
    assert not library(tmp_path, "numpy").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_golden_vectors_hold_on_arm64(bundle_folder: Path, tmp_path: Path) -> None:
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed: apt-get install qemu-user-static")
    try:
        emulated = open_machine()
        for package in ("numpy", "onnxruntime"):
            fetch_wheel(emulated.wheels, package)
    except DatasetError as error:
        pytest.skip(str(error))
    done = CliRunner().invoke(command.main, [str(bundle_folder), "--runtime", "onnxruntime"])
    assert done.exit_code == 0, done.output
    assert "equal" in done.output
