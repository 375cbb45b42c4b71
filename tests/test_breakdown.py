from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hetvs.artifacts import EmbeddingSet
from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.retrieval import tables
from hetvs.retrieval.breakdown import MOST_VALUES, Slice, require_breakdown
from hetvs.retrieval.judge import evaluate
from hetvs.retrieval.matrix import Contender
from hetvs.retrieval.page import render
from hetvs.retrieval.protocols import protocol_of
from hetvs.retrieval.report import Report

MakeManifest = Callable[..., Manifest]
MakeVectors = Callable[..., EmbeddingSet]
CONFIG = EvaluateConfig(draws=200, threads=1, examples=0, by="style")


@pytest.fixture
def manifest(make_manifest: MakeManifest) -> Manifest:
    """Twelve classes, six images each: half of a class is drawn, half is printed; a third column has one class each."""
    labels = [f"c{i % 12}" for i in range(72)]
    styles = ["drawn" if i < 36 else "printed" for i in range(72)]
    return make_manifest(labels, style=styles, name=labels, domains=[f"d{i % 3}" for i in range(72)])


@pytest.fixture
def contest(manifest: Manifest, make_vectors: MakeVectors) -> list[Contender]:
    noises = (("cloud", 0.4), ("edge", 0.9), ("phone", 1.3))
    return [
        Contender(name, make_vectors(manifest, noise=noise, seed=seed)) for seed, (name, noise) in enumerate(noises)
    ]


def judge(manifest: Manifest, contest: list[Contender], config: EvaluateConfig = CONFIG) -> Report:
    protocol = protocol_of(manifest, config.protocol, config.split, config.rows)
    return evaluate(manifest, protocol, contest[0], contest[1:], None, config)


def test_each_value_of_the_query_has_a_slice_per_query_model(manifest: Manifest, contest: list[Contender]):
    report = judge(manifest, contest)
    assert report.setup.by == "style"
    for name in ("edge", "phone"):
        slices = report.judgement(name).slices
        assert [(s.value, s.queries, s.classes) for s in slices] == [("drawn", 36, 12), ("printed", 36, 12)]


def test_slices_average_to_the_whole(manifest: Manifest, contest: list[Contender]):
    """The galleries stay whole: only the queries are parted, so the mean over slices is the cell."""
    report = judge(manifest, contest)
    for name in ("edge", "phone"):
        slices = report.judgement(name).slices
        sides: tuple[tuple[str, str, Callable[[Slice], float | None]], ...] = (
            (name, "cloud", lambda s: s.q_g["map"].value),
            (name, name, lambda s: s.q_q["map"].value),
            ("cloud", "cloud", lambda s: s.g_g["map"].value),
        )
        for q, g, value in sides:
            parts = [(value(s) or 0) * s.queries for s in slices]
            assert sum(parts) / 72 == pytest.approx(report.cell(q, g)["map"])


def test_a_slice_says_what_its_numbers_say(manifest: Manifest, contest: list[Contender]):
    for part in judge(manifest, contest).judgement("edge").slices:
        q_g, q_q, g_g = (numbers["map"].value for numbers in (part.q_g, part.q_q, part.g_g))
        assert q_g is not None
        assert q_q is not None
        assert g_g is not None
        assert part.rule["map"].difference.value == pytest.approx(q_g - q_q)
        assert part.retention["map"].value == pytest.approx(q_g / g_g)
        assert part.rule["map"].verdict == "holds"


def test_one_value_is_the_whole_report(manifest: Manifest, contest: list[Contender]):
    """The same queries, draws and unit: a slice of all queries repeats the judgement."""
    same = replace(manifest, extra={"style": np.full(72, "any")})
    judgement = judge(same, contest).judgement("edge")
    (part,) = judgement.slices
    assert part.rule["map"].difference.low == pytest.approx(judgement.rule["map"].difference.low)
    assert part.retention["recall@1"].high == pytest.approx(judgement.retention["recall@1"].high)


def test_a_slice_of_one_class_has_no_interval_where_classes_are_drawn(manifest: Manifest, contest: list[Contender]):
    report = judge(manifest, contest, replace(CONFIG, by="label", resample="classes"))
    slices = report.judgement("edge").slices
    assert len(slices) == 12
    for part in slices:
        difference = part.rule["map"].difference
        assert (difference.low, difference.high, part.rule["map"].verdict) == (None, None, "inconclusive")
        assert difference.value is not None
        assert "has no interval" in difference.reason
        assert part.retention["map"].reason == difference.reason


def test_without_a_column_there_are_no_slices(manifest: Manifest, contest: list[Contender]):
    report = judge(manifest, contest, replace(CONFIG, by=""))
    assert report.judgement("edge").slices == ()
    assert "by style" not in tables.markdown(report)
    assert "mAP by" not in render(report, manifest)


def test_an_unknown_column_names_the_nearest(manifest: Manifest, contest: list[Contender]):
    with pytest.raises(ConfigError, match="column 'stile' is unknown; did you mean 'style'"):
        judge(manifest, contest, replace(CONFIG, by="stile"))


def test_a_column_of_too_many_values_is_refused(make_manifest: MakeManifest):
    manifest = make_manifest(["x"] * (MOST_VALUES + 1))
    protocol = protocol_of(manifest, "manifest")
    with pytest.raises(ConfigError, match="'id' has 101 values among the queries, a breakdown takes 100 at most"):
        require_breakdown(manifest, protocol, "id")
    require_breakdown(manifest, protocol, "label")


def test_every_page_shows_the_slices(manifest: Manifest, contest: list[Contender]):
    report = judge(manifest, contest)
    part = report.judgement("phone").slices[1]
    text = tables.markdown(report)
    assert "## mAP by style of the query" in text
    assert f"| {' | '.join(tables.slice_line('phone', part))} |" in text
    assert "<h2>mAP by style of the query</h2>" in render(report, manifest)
    row = next(line for line in tables.short_table(report).splitlines() if line.startswith("printed  phone"))
    assert f"{100 * (part.q_g['map'].value or 0):.1f}" in row
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert value["judgements"][1]["slices"][1]["value"] == "printed"


def test_an_empty_value_has_a_name(manifest: Manifest, contest: list[Contender]):
    gaps = replace(manifest, extra={"style": np.where(np.arange(72) < 9, "", "drawn")})
    report = judge(gaps, contest)
    assert [s.value for s in report.judgement("edge").slices] == ["", "drawn"]
    assert "| (empty) | edge | 9 |" in tables.markdown(report)


def test_rows_cut_queries_and_gallery_and_are_stated(manifest: Manifest, contest: list[Contender]):
    report = judge(manifest, contest, replace(CONFIG, rows="style=drawn", by="domain"))
    assert (report.setup.rows, report.setup.images, report.setup.queries) == ("style=drawn", 36, 36)
    assert "rows where style=drawn" in tables.markdown(report)
    assert [s.value for s in report.judgement("edge").slices] == ["d0", "d1", "d2"]
