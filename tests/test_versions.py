"""Versions of a model, judged from vectors: the triangle, the rule, what is refused, the command and its pages."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError, IncompatibleSpaceError
from hetvs.manifest import Manifest, read_manifest
from hetvs.retrieval.matrix import Contender
from hetvs.retrieval.protocols import protocol_of
from hetvs.retrieval.versions import Cast, judge_versions
from hetvs.retrieval.versions_page import markdown, render, short_text
from hetvs.retrieval.versions_report import VersionsReport

MakeVectors = Callable[..., EmbeddingSet]
CONFIG = EvaluateConfig(draws=300, threads=1)
NOISE = {"v1": 1.0, "v2": 0.8, "v3": 0.55, "v4": 0.4}


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    return make_manifest([f"c{n % 20}" for n in range(160)])


@pytest.fixture
def contend(manifest: Manifest, make_vectors: MakeVectors) -> Callable[..., Contender]:
    def build(name: str, noise: float, space: str = "cloud", dim: int = 16) -> Contender:
        return Contender(name, make_vectors(manifest, noise=noise, seed=ord(name[-1]), space=space, dim=dim))

    return build


@pytest.fixture
def chain(manifest: Manifest, contend: Callable[..., Contender]) -> VersionsReport:
    versions = tuple(contend(name, noise) for name, noise in NOISE.items())
    cast = Cast(versions, free=contend("free", 0.3, "elsewhere"))
    return judge_versions(manifest, protocol_of(manifest, "manifest"), cast, CONFIG)


def test_the_lower_triangle_is_judged_and_nothing_above_it(chain: VersionsReport) -> None:
    judged = {(c.query, c.gallery) for c in chain.cells}
    names = list(NOISE)
    assert judged == {(names[t], names[s]) for t in range(4) for s in range(t + 1)} | {("free", "free"), ("free", "v3")}
    assert [(s.new, s.old) for s in chain.steps][:3] == [("v2", "v1"), ("v3", "v1"), ("v3", "v2")]


def test_figures_are_those_of_the_cells(chain: VersionsReport) -> None:
    m = {(c.query, c.gallery): c["map"] for c in chain.cells}
    names = list(NOISE)
    pairs = [(names[t], names[s]) for t in range(4) for s in range(t)]
    assert chain.chain["map"].ac == sum(m[new, old] > m[old, old] for new, old in pairs) / 6
    triangle = [m[names[t], names[s]] for t in range(4) for s in range(t + 1)]
    assert chain.chain["map"].am.value == pytest.approx(np.mean(triangle))
    assert chain.worth is not None
    worth = chain.worth["map"]
    gain = (m["v4", "v3"] - m["v3", "v3"]) / (m["free", "free"] - m["v3", "v3"])
    assert worth.gain.value == pytest.approx(gain)
    assert worth.cost.value == pytest.approx(m["v4", "v4"] - m["free", "free"])
    up = 1 / (1 + np.exp(-(m["v4", "v4"] - m["free", "free"]) / m["free", "free"]))
    assert worth.scores.p_up.value == pytest.approx(up)
    for step in chain.steps:
        assert step.rule["map"].difference.value == pytest.approx(m[step.new, step.old] - m[step.old, step.old])
        recall = {(c.query, c.gallery): c["recall@1"] for c in chain.cells}
        lost = (step.flips.nfr.value or 0) - (step.flips.pfr.value or 0)
        assert lost == pytest.approx(recall[step.old, step.old] - recall[step.new, step.old])


def test_compatible_versions_hold_and_a_free_model_is_at_chance(chain: VersionsReport) -> None:
    assert chain.chain["map"].ac == 1
    assert chain.holds
    control = chain.cell("free", "v3")
    assert control.kind == "control (different spaces)"
    assert control["recall@1"] < 0.15  # of 20 classes


def test_the_full_vector_stands_for_the_new_model_alone(manifest: Manifest, contend: Callable[..., Contender]) -> None:
    cast = Cast(
        (contend("v1", 1.0), contend("v2", 0.9)),
        own=contend("own", 0.2, "wider", dim=24),
        free=contend("free", 0.3, "elsewhere", dim=24),
    )
    report = judge_versions(manifest, protocol_of(manifest, "manifest"), cast, CONFIG)
    assert report.worth is not None
    expected = report.cell("own", "own")["map"] - report.cell("free", "free")["map"]
    assert report.worth["map"].cost.value == pytest.approx(expected)
    assert ("free", "v1") not in {(c.query, c.gallery) for c in report.cells}  # of another dimension: no control


def test_roles_are_checked(manifest: Manifest, contend: Callable[..., Contender]) -> None:
    protocol = protocol_of(manifest, "manifest")
    old, new, stranger = contend("v1", 1.0), contend("v2", 0.9), contend("v3", 0.9, "elsewhere")

    def judge(*versions: Contender, own: Contender | None = None, free: Contender | None = None) -> None:
        judge_versions(manifest, protocol, Cast(versions, own, free), CONFIG)

    with pytest.raises(ConfigError, match="at least two versions"):
        judge(old)
    with pytest.raises(ConfigError, match="'v1' is given twice"):
        judge(old, replace(new, name="v1"))
    with pytest.raises(IncompatibleSpaceError, match=r"\(v3\) is not gallery space .* \(v1\)"):
        judge(old, stranger)
    with pytest.raises(ConfigError, match="--free 'v2' lives in the old space"):
        judge(old, contend("v4", 0.9), free=new)
    with pytest.raises(ConfigError, match="--own 'v2' lives in the old space"):
        judge(old, contend("v4", 0.9), own=new)


def test_pages_show_the_triangle_and_every_verdict(chain: VersionsReport) -> None:
    text, page = markdown(chain), render(chain)
    for step in chain.steps:
        assert f"{step.new} in the gallery of {step.old}: the backward rule holds on mAP" in text
        assert f"{step.new} in the gallery of {step.old}: the backward rule holds on mAP" in page
    assert "AC 100.0 (a tie is not compatible)" in page
    assert page.count('<td class="number holds">') >= 6
    assert "| metric | update gain |" in text
    first = short_text(chain).splitlines()
    assert first[0].split() == ["mAP:", "query", "\\", "gallery", *NOISE]
    assert len(first[1].split()) == 2, "v1 has one cell"


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def stored(letters: Path, make_vectors: MakeVectors, tmp_path: Path) -> Callable[..., Path]:
    def save(name: str, noise: float, space: str = "cloud") -> Path:
        make_vectors(read_manifest(letters), noise=noise, seed=len(name), space=space).save(tmp_path / name)
        return tmp_path / name

    return save


FAST = ("--split", "val", "--draws", 200, "--threads", 1)


def test_the_command_writes_a_report_that_can_be_repeated(
    letters: Path, stored: Callable[..., Path], tmp_path: Path
) -> None:
    roles = ("--old", stored("v1", 1.5), "--query-model", stored("v2+", 0.5), "--free", stored("f", 0.4, "far"))
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "one", *FAST)
    assert result.exit_code == 0, result.output
    assert "v2+ in the gallery of v1: the backward rule" in result.stdout
    first = json.loads((tmp_path / "one" / "report.json").read_text(encoding="utf-8"))
    words = shlex.split(first["command"])
    assert hetvs(*words[1:-1], tmp_path / "two", "--json").exit_code == 0
    assert json.loads((tmp_path / "two" / "report.json").read_text(encoding="utf-8")) == first
    assert "query \\ gallery" in (tmp_path / "one" / "report.html").read_text(encoding="utf-8")


def test_check_ends_with_3_unless_the_rule_holds(letters: Path, stored: Callable[..., Path], tmp_path: Path) -> None:
    roles = ("--old", stored("v1", 0.3), "--query-model", stored("v2+", 2.0))
    result = hetvs("evaluate", letters, *roles, "-o", tmp_path / "r", *FAST, "--check")
    assert result.exit_code == 3
    assert "the backward rule is not shown to hold on mAP (v2+ in v1: does not hold)" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--old a --gallery-model b --query-model c", "--old says whose gallery is asked"),
        ("--gallery-model b --query-model c --free d", "--own and --free are of an update; give --old"),
        ("--query-model c", "Missing option '--gallery-model' (or '--old')"),
        ("--old a", "Missing option '--query-model'"),
    ],
)
def test_roles_that_do_not_go_together_are_wrong_usage(words: str, said: str, tmp_path: Path) -> None:
    result = hetvs("evaluate", "data", *words.split(), "-o", tmp_path / "r")
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_breakdown_is_not_of_versions(letters: Path, stored: Callable[..., Path], tmp_path: Path) -> None:
    words = ("--old", stored("v1", 1), "--query-model", stored("v2+", 0.5), "--by", "split")
    result = hetvs("evaluate", letters, *words, "-o", tmp_path / "r", *FAST)
    assert result.exit_code == 1
    assert "--by breaks down a contest against a gallery model" in result.stderr
