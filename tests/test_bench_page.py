"""The page shows what report.json holds, and no number besides."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_bench.accuracy import Accuracy, Identity, accuracies
from edge_bench.folder import write_folder
from edge_bench.page import render
from edge_bench.query import OFFLINE_SEARCH, STAGES, StageMeasurement, query_of
from edge_bench.report import BenchReport
from edge_bench.runtimes.programs import browser_program
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import write_json
from tests.test_bench_report import REFUSED, SKIPPED, measurement, report_of

NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w])")
SCALES = (1, 100, 2**-20, 1e-6)  # as it is; percent; bytes in MiB; millions of MACs


def stage(bundle: str, name: str, ns: int) -> StageMeasurement:
    rounds = measurement(bundle, [ns] * 3).rounds
    gallery = 100_000 if name.startswith("search") else None
    return StageMeasurement(bundle, name, gallery, runs_per_call=2, reference_runs_per_call=4, rounds=rounds)


@pytest.fixture
def report() -> BenchReport:
    found = {"value": 0.3649, "low": 0.345, "high": 0.385}
    full = report_of(
        measurement("cloud", [91_234, 92_345, 90_111]),
        measurement("edge", [4_321, 4_222, 4_456], wall=1.3),
        measurement("edge", [9_876, 9_911, 9_777], runtime="web-chromium"),
        refusals=(REFUSED, SKIPPED),
    )
    around = [stage(bundle, name, 7_654) for bundle in ("cloud", "edge") for name in (*STAGES, OFFLINE_SEARCH)]
    space = {"space_id": "91ab33cd", "peak_rss_bytes": 3 * 2**20 + 12345}
    measured = tuple(replace(m, facts={**m.facts, **space}) for m in full.measurements)
    known = {"edge": Accuracy("cloud", "protocol B, test", {"map": found, "recall@1": found}, "")}
    return replace(full, measurements=measured, stages=tuple(around), accuracy=known)


def visible(page: str) -> str:
    """The text of a page as a reader sees it: no styles, no drawings (their axes carry ticks), no tags."""
    page = re.sub(r"<(style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def leaves(value: Any) -> Iterator[Any]:
    """Every key, text and number of a document but its raw samples, which are too many to prove anything."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in ("rounds", "twin_rounds"):
                yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def unknown_numbers(page: str, document: dict[str, Any]) -> list[str]:
    """The numbers of the page that are not in the document, as they are rounded on the page."""
    values = list(leaves(document))
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    spelt = {token for v in values if isinstance(v, str) for token in NUMBER.findall(v)}

    def known(token: str) -> bool:
        decimals = len(token.partition(".")[2])
        plain = token.replace(",", "")
        return token in spelt or any(f"{v * scale:.{decimals}f}" == plain for v in numbers for scale in SCALES)

    return [token for token in NUMBER.findall(visible(page)) if not known(token)]


def test_every_number_of_the_page_is_in_the_json(report: BenchReport) -> None:
    document = json.loads(json.dumps(report.to_json()))
    page = render(document)
    assert unknown_numbers(page, document) == []
    assert len(NUMBER.findall(visible(page))) > 100
    planted = page.replace("</h1>", " 12.3456</h1>", 1)
    assert unknown_numbers(planted, document) == ["12.3456"]


def test_the_page_names_every_entry_its_verdict_and_its_reason(report: BenchReport) -> None:
    text = visible(render(json.loads(json.dumps(report.to_json()))))
    assert "edge in web-chromium" in text
    for refusal in (REFUSED, SKIPPED):
        assert refusal.reason in text
        assert refusal.verdict in text
    assert "Accuracy of edge: asks the gallery of cloud, protocol B, test" in " ".join(text.split())
    assert "Accuracy of cloud: no report of hetvs evaluate was given" in " ".join(text.split())
    assert "core was shared" in text


def test_the_page_needs_no_network(report: BenchReport) -> None:
    page = render(json.loads(json.dumps(report.to_json())))
    assert page.count("<svg") == 2
    assert re.findall(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import""", page) == []


def test_nothing_measured_is_still_a_page() -> None:
    page = render(json.loads(json.dumps(report_of(refusals=(SKIPPED,)).to_json())))
    assert "SKIPPED" in page
    assert "<svg" not in page


def test_without_matplotlib_the_page_says_how_to_get_it(
    report: BenchReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_bench.plots.find_spec", lambda _name: None)
    write_folder(report, tmp_path / "plain")
    assert sorted(file.name for file in (tmp_path / "plain").iterdir()) == ["report.json", "report.md"]
    with pytest.raises(ConfigError, match=r"pip install 'hetvs\[plots\]'"):
        write_folder(report, tmp_path / "page", page=True)
    assert not (tmp_path / "page").exists()


def test_a_report_with_stages_and_accuracy_survives_json(report: BenchReport) -> None:
    text = json.dumps(report.to_json(), allow_nan=False)
    assert BenchReport.from_json(json.loads(text), "old.json") == report


def test_a_query_is_the_sum_of_its_stages(report: BenchReport) -> None:
    cloud, _, page = report.measurements
    whole = query_of(cloud, report.stages)
    assert whole is not None
    assert whole["cpu_ms"] == pytest.approx((91_234 + 3 * 7_654) / 1e6)
    assert whole["infer_share"] == pytest.approx(91_234 / (91_234 + 3 * 7_654))
    assert query_of(page, report.stages) is None  # a page has no CPU time
    (offline,) = [s for s in report.stages if (s.bundle, s.stage) == ("edge", OFFLINE_SEARCH)]
    assert offline.cpu_p50_ms == pytest.approx(7_654 / 32 / 1e6)


def test_accuracy_is_matched_by_weights_and_precision(tmp_path: Path) -> None:
    scores = {"value": 0.4, "low": 0.3, "high": 0.5, "reason": ""}
    for name, card in (("small", {"export": {}}), ("small8", {"export": {"precision": "int8"}}), ("alone", {})):
        write_json(tmp_path / name / "card.json", card)
    facts = [("small", "aa"), ("small8", "aa"), ("alone", "cc"), ("moved", "dd")]
    value: dict[str, Any] = {
        "models": [{"name": n, "model_digest": d, "source": str(tmp_path / n)} for n, d in facts],
        "judgements": [{"gallery": "big"}],
        "cells": [
            {"query": "small8", "gallery": "big", "metrics": {"map": {**scores, "value": 0.35}}},
            {"query": "small", "gallery": "big", "metrics": {"map": scores, "map@r": scores}},
            {"query": "alone", "gallery": "big", "metrics": {}},
        ],
        "setup": {"protocol": "B", "split": "test"},
    }
    path = tmp_path / "report.json"
    write_json(path, value)
    asked = {"edge": ("aa", "fp32"), "edge8": ("aa", "int8"), "other": ("bb", "fp32")}
    asked |= {"base": ("cc", "fp32"), "gone": ("dd", "fp32")}
    found = accuracies(path, {name: Identity(*identity) for name, identity in asked.items()})
    assert found["edge"] == Accuracy("big", "protocol B, test", {"map": {"value": 0.4, "low": 0.3, "high": 0.5}}, "")
    assert (found["edge8"].metrics or {})["map"]["value"] == 0.35
    for name in ("other", "gone"):
        assert "judges no model of these weights in fp32" in found[name].reason
    assert "did not ask the gallery of big" in found["base"].reason
    write_json(path, {"models": 3})
    with pytest.raises(ArtifactError, match="not a report of hetvs evaluate"):
        accuracies(path, {"edge": Identity("aa", "fp32")})


@pytest.mark.slow
def test_chromium_shows_the_page(report: BenchReport, tmp_path: Path) -> None:
    browser = browser_program()
    if browser is None:
        pytest.skip("no Chromium")
    write_folder(report, tmp_path / "out", page=True)
    shot = tmp_path / "shot.png"
    page = (tmp_path / "out/report.html").as_uri()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([browser, *flags, f"--screenshot={shot}", "--window-size=1200,2400", page], timeout=300)
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
    assert done.returncode == 0
    assert shot.stat().st_size > 20_000  # an empty page of that size takes less than 10 kB
