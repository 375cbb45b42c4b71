from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hetvs.artifacts import EmbeddingSet, ModelCard
from hetvs.config import EvaluateConfig
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess
from hetvs.retrieval import tables, words
from hetvs.retrieval.judge import evaluate
from hetvs.retrieval.matrix import Contender
from hetvs.retrieval.page import THUMBNAIL_PX, render, thumbnail, write_report
from hetvs.retrieval.protocols import protocol_of
from hetvs.retrieval.report import Report
from hetvs.retrieval.rules import Verdict

MakeVectors = Callable[..., EmbeddingSet]
CONFIG = EvaluateConfig(draws=300, threads=1, examples=2)


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    labels = [f"c{i % 15}" for i in range(90)] + ["seen"]
    return make_manifest(labels, splits=["test"] * 90 + ["train"])


@pytest.fixture
def contest(manifest: Manifest, make_vectors: MakeVectors) -> dict[str, Contender]:
    """A good cloud model, a noisier edge model in its space, a baseline elsewhere."""

    def contender(name: str, noise: float, seed: int, space: str, macs: int) -> Contender:
        vectors = make_vectors(manifest, noise=noise, seed=seed, space=space)
        card = ModelCard(
            name=name,
            role=name,
            backbone="toy",
            space=vectors.space,
            preprocess=Preprocess(size_px=32),
            weights_digest=name,
            macs=macs,
            parameters=1000,
        )
        return Contender(name, vectors, card, f"runs/{name}")

    return {
        "cloud": contender("cloud", 0.4, 1, "cloud", 1200),
        "edge": contender("edge", 1.0, 2, "cloud", 100),
        "base": contender("base", 1.1, 3, "elsewhere", 100),
    }


def judge(manifest: Manifest, contest: dict[str, Contender], baseline: bool = True, **changes: Any) -> Report:
    config = replace(CONFIG, **changes)
    base = contest["base"] if baseline else None
    return evaluate(manifest, protocol_of(manifest, "manifest"), contest["cloud"], [contest["edge"]], base, config)


@pytest.fixture
def report(manifest: Manifest, contest: dict[str, Contender]) -> Report:
    return judge(manifest, contest)


def test_matrix_has_every_pair_and_one_control(report: Report):
    kinds = {(c.query, c.gallery): c.kind for c in report.cells}
    assert kinds == {
        ("cloud", "cloud"): "homogeneous",
        ("edge", "cloud"): "heterogeneous",
        ("cloud", "edge"): "heterogeneous",
        ("edge", "edge"): "homogeneous",
        ("base", "base"): "homogeneous",
        ("base", "cloud"): "control (different spaces)",
    }
    chance = 5 / 89
    assert report.cell("base", "cloud")["map"] < 4 * chance < report.cell("base", "base")["map"]
    assert (
        report.cell("edge", "edge")["map"] < report.cell("edge", "cloud")["map"] < report.cell("cloud", "cloud")["map"]
    )


def test_every_number_has_an_interval_around_it(report: Report):
    for cell in report.cells:
        for estimate in cell.metrics.values():
            bounds = [n for n in (0, estimate.low, estimate.value, estimate.high, 1) if n is not None]
            assert len(bounds) == 5
            assert bounds == sorted(bounds)


def test_rule_recovery_and_retention_follow_from_the_cells(report: Report):
    judgement = report.judgement("edge")
    q_g, q_q, g_g, base = (
        report.cell(*pair)["map"]
        for pair in (("edge", "cloud"), ("edge", "edge"), ("cloud", "cloud"), ("base", "base"))
    )
    assert judgement.rule["map"].difference.value == pytest.approx(q_g - q_q)
    assert judgement.rule["map"].verdict == "holds"
    assert report.holds
    assert judgement.retention["map"].value == pytest.approx(q_g / g_g)
    assert judgement.recovery["map"].value == pytest.approx((q_g - base) / (g_g - base))


def test_without_a_baseline_recovery_is_none_and_says_why(manifest: Manifest, contest: dict[str, Contender]):
    judgement = judge(manifest, contest, baseline=False).judgement("edge")
    assert (judgement.recovery["map"].value, judgement.recovery["map"].reason) == (None, "no baseline is given")
    assert judgement.retention["map"].value is not None


def test_a_baseline_of_another_dimension_has_no_control(
    manifest: Manifest, contest: dict[str, Contender], make_vectors: MakeVectors
):
    vectors = make_vectors(manifest, noise=1.0, seed=3, space="elsewhere", dim=8)
    report = judge(manifest, {**contest, "base": Contender("base", vectors)})
    control = report.cell("base", "cloud")
    assert (control.metrics, control.reason) == ({}, "dimensions differ: 8 and 16")
    with pytest.raises(ConfigError, match="it has: none, dimensions differ"):
        control["map"]
    assert report.judgement("edge").recovery["map"].value is not None
    for text in (tables.markdown(report), tables.short_table(report), render(report, manifest)):
        assert "nan" not in text.lower()


def test_a_copy_of_the_gallery_model_is_faithful_and_inconclusive(manifest: Manifest, contest: dict[str, Contender]):
    twin = replace(contest["cloud"], name="edge")
    judgement = judge(manifest, {**contest, "edge": twin}).judgement("edge")
    assert all(e.value == pytest.approx(1) for e in judgement.fidelity.values())
    assert judgement.retention["map"].value == pytest.approx(1)
    assert all(rule.verdict == "inconclusive" for rule in judgement.rule.values())
    assert judgement.worst == ()  # it loses nowhere


def test_a_known_difference_of_spaces_is_refused(manifest: Manifest, contest: dict[str, Contender]):
    """P23: a changed preprocessing is another space."""
    vectors = contest["edge"].vectors
    moved = replace(vectors, space=replace(vectors.space, preprocess_digest="another mean"))
    with pytest.raises(IncompatibleSpaceError, match=r"\(edge\) is not gallery space"):
        judge(manifest, {**contest, "edge": replace(contest["edge"], vectors=moved)})


def test_setup_and_notes_tell_what_was_judged(report: Report, manifest: Manifest, contest: dict[str, Contender]):
    assert (report.setup.queries, report.setup.skipped, report.setup.classes.verdict) == (90, 0, "open")
    assert report.setup.resampled == "classes"  # 15 < 90 / 5
    assert judge(manifest, contest, resample="queries").setup.resampled == "queries"
    assert judge(manifest, contest, ks=(1, 200)).notes == (
        "recall@200: a gallery has only 90 images, so k is cut to that",
    )


def test_closed_set_is_said(manifest: Manifest, contest: dict[str, Contender]):
    """P19: classes of the train split among the judged ones."""
    seen = manifest.labels.copy()
    seen[-1] = "c3"
    report = judge(replace(manifest, labels=seen), contest)
    assert (report.setup.classes.shared, report.setup.classes.verdict) == (1, "closed")
    assert "closed set: 1 of 15 judged classes are in train" in report.notes


def test_flips_follow_from_recall_at_1_even_when_it_is_not_asked_for(
    report: Report, manifest: Manifest, contest: dict[str, Contender]
):
    flips = report.judgement("edge").flips
    lost = report.cell("cloud", "cloud")["recall@1"] - report.cell("edge", "cloud")["recall@1"]
    assert flips.nfr.value is not None
    assert flips.pfr.value is not None
    assert flips.nfr.value - flips.pfr.value == pytest.approx(lost)
    assert len(flips.negative) == pytest.approx(90 * flips.nfr.value)
    assert flips.nfr.low is not None
    assert flips.nfr.high is not None
    assert flips.nfr.low < flips.nfr.value < flips.nfr.high
    other = judge(manifest, contest, ks=(5,))
    assert other.judgement("edge").flips == flips
    assert list(other.cell("edge", "cloud").metrics) == ["recall@5", "map", "map@r"]


def test_every_page_shows_the_flips(report: Report, manifest: Manifest):
    judgement = report.judgement("edge")
    assert f"| {' | '.join(tables.flips_line(judgement))} |" in tables.markdown(report)
    assert words.flips_sentence(judgement) in tables.short_table(report)
    assert '<th class="number">NFR@1</th>' in render(report, manifest)
    assert report.to_json()["judgements"][0]["flips"]["negative"] == judgement.flips.negative


def test_cost_is_against_the_paragon(report: Report):
    assert {m.name: m.cost_ratio for m in report.models} == {"cloud": 1.0, "edge": 12.0, "base": 12.0}


def test_examples_are_where_it_loses_and_where_it_does_best(report: Report):
    judgement = report.judgement("edge")
    losses = [e.paragon_ap - e.ap for e in judgement.worst]
    assert len(judgement.worst) == len(judgement.best) == 2
    assert losses == sorted(losses, reverse=True)
    assert min(losses) > 0
    assert all(b.ap >= w.ap for b in judgement.best for w in judgement.worst)
    for example in (*judgement.worst, *judgement.best):
        assert len(example.answers) == len(example.paragon_answers) == 5
        assert example.query not in example.answers + example.paragon_answers


def test_the_same_input_gives_the_same_report(report: Report, manifest: Manifest, contest: dict[str, Contender]):
    assert judge(manifest, contest) == report
    assert judge(manifest, contest, seed=1) != report


def test_json_round_trip_has_no_nan(report: Report):
    text = json.dumps(report.to_json(), allow_nan=False)
    value = json.loads(text)
    assert value["rule_holds_on_map"] is True
    assert value["cells"][1]["metrics"]["map"].keys() == {"value", "low", "high", "reason"}


def test_unknown_cells_and_metrics_are_named(report: Report):
    with pytest.raises(ConfigError, match=r"no cell \(phone, cloud\); the report has: \(cloud, cloud\)"):
        report.cell("phone", "cloud")
    with pytest.raises(ConfigError, match="has no 'ndcg'; it has: recall@1"):
        report.cell("edge", "cloud")["ndcg"]
    with pytest.raises(ConfigError, match="no query model 'phone'"):
        report.judgement("phone")


@pytest.fixture
def with_images(manifest: Manifest, tmp_path: Path) -> Manifest:
    paths = tuple(tmp_path / f"{image_id}.png" for image_id in manifest.ids)
    for number, path in enumerate(paths):
        Image.new("RGBA", (100, 50), (number * 2, 80, 160, 255)).save(path)
    return replace(manifest, paths=paths)


def test_page_is_self_contained_and_frames_right_answers(report: Report, with_images: Manifest):
    page = render(report, with_images)
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "http" not in page
    assert page.count("data:image/png;base64,") == 4 * (1 + 5 + 5)
    label = dict(zip(with_images.ids.tolist(), with_images.labels.tolist(), strict=True))
    judgement = report.judgement("edge")
    right = sum(
        label[answer] == label[e.query]
        for e in (*judgement.worst, *judgement.best)
        for answer in (*e.answers, *e.paragon_answers)
    )
    assert page.count('<figure class="right"') == right


def test_thumbnails_are_small_and_keep_their_shape(with_images: Manifest):
    with Image.open(io.BytesIO(base64.b64decode(thumbnail(with_images, 0)))) as image:
        assert image.size == (THUMBNAIL_PX, THUMBNAIL_PX // 2)


def test_names_are_escaped(report: Report, manifest: Manifest):
    assert "<script>" not in render(replace(report, command="<script>alert(1)</script>"), manifest)


def test_a_report_needs_no_images(report: Report, manifest: Manifest, tmp_path: Path):
    write_report(report, manifest, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]
    assert "base64" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_markdown_says_the_verdict_and_every_cell(report: Report):
    text = tables.markdown(report)
    assert "edge: the rule holds" in text
    assert "Queries of edge find more in the gallery of cloud than in one of their own" in text
    assert text.count("homogeneous") == 3
    assert f"{100 * report.cell('edge', 'cloud')['map']:.1f}" in text


@pytest.mark.parametrize(("verdict", "start"), [("does not hold", "find less"), ("inconclusive", "not settled")])
def test_other_verdicts_have_their_own_words(report: Report, verdict: Verdict, start: str):
    judgement = report.judgement("edge")
    rule = replace(judgement.rule["map"], verdict=verdict)
    other = replace(judgement, rule={**judgement.rule, "map": rule})
    sentence = words.verdict_sentence(report, other)
    assert start in sentence
    agreeing = replace(judgement, rule=dict.fromkeys(judgement.rule, rule))
    assert "On recall@1 it" in sentence
    assert "On recall@1" not in words.verdict_sentence(report, agreeing)
    assert not replace(report, judgements=(other,)).holds


def test_vectors_that_are_not_unit_length_never_get_here(contest: dict[str, Contender]):
    """P2: one scoring function, and every set of vectors is unit length to 1e-4."""
    vectors = contest["edge"].vectors
    with pytest.raises(ArtifactError, match=r"has norm 1\.001"):
        replace(vectors, vectors_ND=vectors.vectors_ND * np.float32(1.001))
