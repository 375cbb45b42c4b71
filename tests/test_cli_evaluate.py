from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.manifest import Manifest, read_manifest

FAST = ("--split", "val", "--draws", 200, "--threads", 1)
MakeVectors = Callable[..., EmbeddingSet]


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def manifest(letters: Path) -> Manifest:
    return read_manifest(letters)


@pytest.fixture
def stored(manifest: Manifest, make_vectors: MakeVectors, tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of vectors and return it: no model is needed to judge."""

    def save(name: str, noise: float, space: str = "cloud", seed: int = 1) -> Path:
        make_vectors(manifest, noise=noise, seed=seed, space=space).save(tmp_path / name)
        return tmp_path / name

    return save


def test_a_run_and_its_bundle_agree(
    letters: Path, run_folder: Path, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "300")  # the bar shortens its words to fit, and a path in tmp may be long
    out = tmp_path / "report"
    models = ("--gallery-model", run_folder, "--query-model", bundle_folder)
    result = hetvs("evaluate", letters, *models, "-o", out, *FAST, "-k", 1, "-k", 3)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "report.md"]
    maps = [cell["metrics"]["map"]["value"] for cell in report["cells"]]
    assert maps == pytest.approx([maps[0]] * 4)
    assert report["judgements"][0]["fidelity"]["cosine"]["value"] == pytest.approx(1, abs=1e-5)
    assert list(report["cells"][0]["metrics"]) == ["recall@1", "recall@3", "map", "map@r"]
    assert report["models"][1]["cost_ratio"] == 1
    assert (report["setup"]["queries"], report["setup"]["classes"]["verdict"]) == (16, "open")
    assert result.stderr.count("embed with") >= 2
    assert "16/16" in result.stderr
    assert f"next: hetvs bench {bundle_folder}" in result.stdout
    assert str(out / "report.html") in result.stdout
    assert "base64" in (out / "report.html").read_text(encoding="utf-8")


def test_the_recorded_command_repeats_the_report(letters: Path, stored: Callable[..., Path], tmp_path: Path):
    roles = (
        "--gallery-model",
        stored("g", 0.2),
        "--query-model",
        stored("q", 0.9),
        "--baseline",
        stored("b", 1, "far"),
    )
    assert hetvs("evaluate", letters, *roles, "-o", tmp_path / "one", *FAST, "-k", 2).exit_code == 0
    first = json.loads((tmp_path / "one" / "report.json").read_text(encoding="utf-8"))
    words = shlex.split(first["command"])
    assert words[0] == "hetvs"
    assert hetvs(*words[1:-1], tmp_path / "two").exit_code == 0
    assert json.loads((tmp_path / "two" / "report.json").read_text(encoding="utf-8")) == first


def test_rows_and_by_reach_the_report_and_its_command(letters: Path, stored: Callable[..., Path], tmp_path: Path):
    roles = ("--gallery-model", stored("g", 0.2), "--query-model", stored("q", 0.9))
    words = ("--rows", "is_query=1", "--by", "split")
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST, *words)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert (report["setup"]["rows"], report["setup"]["by"]) == ("is_query=1", "split")
    assert "--rows is_query=1 --by split" in report["command"]
    assert [part["value"] for part in report["judgements"][0]["slices"]] == ["val"]
    assert "mAP by split" in result.stdout


def test_open_set_stands_beside_recall_in_every_form_of_the_report(
    letters: Path, stored: Callable[..., Path], tmp_path: Path
):
    roles = ("--gallery-model", stored("g", 0.2), "--query-model", stored("q", 0.9))
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST, "--open-set", "--false-rates", "0.1")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    pairs = [(found["query"], found["gallery"]) for found in report["open_set"]]
    assert pairs == [("g", "g"), ("q", "g"), ("q", "q")]
    paragon = report["open_set"][0]
    assert (paragon["mated"], paragon["absent"], paragon["unmated"]) == (16, 0, "left-out")
    assert (paragon["genuine"], paragon["impostors"]) == (16 * 3, 16 * 12)
    assert paragon["tpir"][0]["realised"] <= 0.1
    assert "--open-set --false-rates 0.1" in report["command"]
    assert "TPIR@FPIR=0.1" in result.stdout
    for page in ("report.md", "report.html"):
        assert "192 impostor and 48 genuine pairs" in (tmp_path / "r" / page).read_text(encoding="utf-8")


def test_json_is_all_of_stdout(letters: Path, stored: Callable[..., Path], tmp_path: Path):
    roles = ("--gallery-model", stored("g", 0.2), "--query-model", stored("q", 0.9))
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert "report.html" in result.stderr


def test_check_passes_when_the_rule_holds(letters: Path, stored: Callable[..., Path], tmp_path: Path):
    roles = ("--gallery-model", stored("g", 0.1), "--query-model", stored("q", 1.5, seed=2))
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST, "--check")
    assert result.exit_code == 0, result.output
    assert "the heterogeneous rule holds on mAP" in result.stdout


def test_check_exits_3_and_still_writes_the_report(letters: Path, stored: Callable[..., Path], tmp_path: Path):
    roles = ("--gallery-model", stored("g", 0.5), "--query-model", stored("twin", 0.5))
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST, "--check")
    assert result.exit_code == 3
    assert "Error: the heterogeneous rule is not shown to hold on mAP (twin: inconclusive)" in result.stderr
    assert (tmp_path / "r" / "report.html").is_file()


def test_other_spaces_stop_before_any_embedding(
    letters: Path, run_folder: Path, stored: Callable[..., Path], tmp_path: Path
):
    result = hetvs(
        "evaluate", letters, "--gallery-model", run_folder, "--query-model", stored("q", 0.5), "-o", tmp_path / "r"
    )
    assert result.exit_code == 1
    assert "is not gallery space" in result.stderr
    assert result.stderr.count("\n") == 1  # no progress bar: nothing was embedded
    assert not (tmp_path / "r").exists()


def test_a_missing_vector_is_counted_and_named(
    letters: Path, manifest: Manifest, make_vectors: MakeVectors, stored: Callable[..., Path], tmp_path: Path
):
    whole = make_vectors(manifest, noise=0.5, seed=2)
    train = manifest.rows("train")
    replace(whole, vectors_ND=whole.vectors_ND[train], ids=tuple(whole.ids[i] for i in train)).save(tmp_path / "q")
    roles = ("--gallery-model", stored("g", 0.2), "--query-model", tmp_path / "q")
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST)
    assert result.exit_code == 1
    first = manifest.ids[manifest.rows("val")[0]]
    assert f"16 of 16 judged images have no vector, the first is '{first}'" in result.stderr


def test_faults_are_one_line(letters: Path, stored: Callable[..., Path], tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    g, q = stored("g", 0.2), stored("q", 0.9)
    for words, said in (
        (("--query-model", q, "-o", tmp_path / "full"), "not empty; add --overwrite"),
        (("--query-model", letters, "-o", tmp_path / "r"), "is no run or bundle"),
        (("--query-model", g, "-o", tmp_path / "r"), "is given twice"),
        (("--query-model", q, "--baseline", stored("b", 0.9), "-o", tmp_path / "r"), "lives in the gallery's space"),
        (("--query-model", q, "-o", tmp_path / "r", "--protocol", "A"), "protocol A needs a column 'style'"),
        (("--query-model", q, "-o", tmp_path / "r", "-k", 0), "ks must be ranks >= 1"),
        (("--query-model", q, "-o", tmp_path / "r", "--rows", "lable=A"), "'lable' is unknown; did you mean 'label'"),
    ):
        result = hetvs("evaluate", letters, "--gallery-model", g, *words)
        assert result.exit_code == 1, result.output
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_settings_from_a_file_give_way_to_typed_ones(letters: Path, stored: Callable[..., Path], tmp_path: Path):
    (tmp_path / "judge.toml").write_text('split = "val"\nks = [1, 2]\ndraws = 150\n')
    roles = ("--gallery-model", stored("g", 0.2), "--query-model", stored("q", 0.9))
    words = ("--config", tmp_path / "judge.toml", "--draws", 160, "--json", "-o", tmp_path / "r")
    value = json.loads(hetvs("evaluate", letters, *roles, *words).stdout)
    assert value["setup"]["draws"] == 160
    assert "recall@2" in value["cells"][0]["metrics"]


def test_an_unknown_column_stops_before_any_embedding(
    letters: Path, run_folder: Path, bundle_folder: Path, tmp_path: Path
):
    roles = ("--gallery-model", run_folder, "--query-model", bundle_folder)
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST, "--by", "doman")
    assert result.exit_code == 1
    assert "column 'doman' is unknown; did you mean 'domain'" in result.stderr
    assert result.stderr.count("\n") == 1  # no progress bar: nothing was embedded
