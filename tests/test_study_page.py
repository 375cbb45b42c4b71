"""The page and the plot: every number is that of a row, every promise has its sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_bench.host import host_card
from hetvs.errors import ConfigError
from studies.compatibility import plot
from studies.compatibility.findings import findings
from studies.compatibility.lookup import Lookup, Place
from studies.compatibility.page import write_page
from studies.shared.methods import BEHIND, CONTROL, LEAD
from studies.shared.rows import MEAN, Row

MACS = {"1": 80_000_000, "1/10": 8_000_000, "1/80": 1_000_000}
Number = tuple[float | None, float | None, float | None]


COMMAND = "python -m studies.compatibility --only emoji/1-80-default"


def row(method: str, size: str, metric: str, pair: str, number: Number, seed: int | str = MEAN) -> Row:
    value, lower, upper = number
    protocol = "B" if pair else ""
    return Row(
        study="compatibility", dataset="emoji", protocol=protocol, method=method, size=size, macs=MACS[size], seed=seed,
        metric=metric, pair=pair, value=value, lower=lower, upper=upper, command=COMMAND,
    )  # fmt: skip


def student(size: str, kept: Number, rule: Number) -> list[Row]:
    made = [row("default", size, f"retention/{metric}", "q,g", kept) for metric in ("recall@1", "map")]
    made += [row("default", size, f"rule/{metric}", "q,g", rule) for metric in ("recall@1", "map")]
    made += [
        row("default", size, "map", "q,g", (0.4321, 0.42, 0.44)),
        row("default", size, "map", "q,q", (0.4, 0.39, 0.41)),
    ]
    return [*made, row("default", size, "bytes", "", (123_456.0, None, None), 0)]


ROWS = [
    row("cloud", "1", "map", "g,g", (0.5, 0.48, 0.52)),
    row("cloud", "1", "recall@1", "g,g", (0.66, 0.63, 0.69)),
    row(LEAD, "1/80", "difference/recall@1", "base,base", (0.15, 0.13, 0.17)),
    row(BEHIND, "1/80", "difference/recall@1", "q,g", (-0.016, -0.02, -0.012)),
    row(BEHIND, "1/80", "difference/map", "q,g", (-0.003, -0.01, 0.004)),
    row(CONTROL, "1/80", "recall@1", "q,g", (0.004, 0.002, 0.006)),
    *student("1/10", (0.97, 0.96, 0.98), (-0.02, -0.03, -0.01)),
    *student("1/80", (0.9, 0.89, 0.91), (0.03, 0.02, 0.04)),
    row("default", "1/80", "map", "q,g", (0.43, 0.4, 0.45), 0),
    row("default", "1/80", "cpu_ms", "", (0.0421, None, None), 0),
    row("default", "1/80", "latency_ratio", "", (None, None, None), 0),
    row("anchor", "1/80", "map", "q,g", (0.42, 0.41, 0.43)),
    row("default - anchor", "1/80", "difference/map", "q,g", (0.0121, 0.002, 0.02)),
    row("influence alone", "1/80", "map", "q,g", (0.43, 0.41, 0.45)),
    row("default - influence alone", "1/80", "difference/map", "q,g", (0.001, -0.01, 0.012)),
    row("independent", "1/80", "map", "base,base", (0.3, 0.29, 0.31)),
    row("independent", "1/80", "map", "base,g", (0.006, 0.005, 0.007)),
]


def test_what_the_study_promised_to_say() -> None:
    said = "\n".join(findings(Lookup(ROWS), {"emoji": "B", "kanji": "manifest"}))
    assert "The default loss beats anchor at 1/80 in mAP: +1.2 [+0.2, +2.0] points of M(q,g)." in said
    assert "It is not settled whether the default loss beats influence alone at 1/80 in mAP: +0.1 [-1.0, +1.2]" in said
    assert "- The paragon: recall@1 66.0 [63.0, 69.0] %, mAP 50.0 [48.0, 52.0] %." in said
    assert "less the network of 1/80 trained alone: recall@1 +15.0 [+13.0, +17.0] points." in said
    assert "At 1/10: the rule does not hold in recall@1 (-2.0 [-3.0, -1.0] points), the rule does not" in said
    assert "retention recall@1 97.0 [96.0, 98.0] %, mAP 97.0 [96.0, 98.0] %." in said
    behind = "M(q,g) less the paragon recall@1 -1.6 [-2.0, -1.2] points, mAP -0.3 [-1.0, +0.4] points."
    assert behind in next(line for line in said.splitlines() if line.startswith("- At 1/80:"))
    assert "The control, relational alone, at 1/80: M(q,g) recall@1 0.4 [0.2, 0.6] %." in said
    assert "At 1/80: the rule holds in recall@1 (+3.0 [+2.0, +4.0] points)" in said
    assert "of at least 95%: 1/10, 8,000,000 MACs, 123,456 bytes." in said
    assert "Kanji" not in said


def of(protocol: str, made: Row) -> Row:
    dataset = "kanji" if protocol.startswith("manifest") else "emoji"
    case = "emoji-unseen/1-80-default" if protocol == "C" else f"{dataset}/1-80-default"
    command = f"python -m studies.compatibility --only {case}"
    return replace(made, dataset=dataset, protocol=protocol if made.protocol else "", command=command)


def test_the_rule_is_said_of_every_protocol_and_every_slice(tmp_path: Path) -> None:
    """Kanji as a whole, its brush faces and the others; the unseen domains beside the headline of the emoji."""
    rules = {
        "manifest": (0.02, 0.01, 0.03),
        "manifest, genre=brush": (-0.02, -0.03, -0.01),
        "manifest, genre!=brush": (0.04, 0.03, 0.05),
        "C": (0.01, -0.01, 0.03),
    }
    rows = [
        of(protocol, made)
        for protocol, rule in rules.items()
        for made in student("1/80", (0.9, 0.89, 0.91), rule)
        if made.pair
    ]
    headline = {"emoji": "B", "kanji": "manifest"}
    write_page(tmp_path / "results.md", [*ROWS, *rows], headline, host_card())
    text = (tmp_path / "results.md").read_text()
    said = {part.splitlines()[0]: part for part in text.split("\n**")}
    assert "the rule holds in mAP (+2.0 [+1.0, +3.0] points)" in said["Kanji, protocol manifest**"]
    brush, rest = said["Kanji, protocol manifest, genre=brush**"], said["Kanji, protocol manifest, genre!=brush**"]
    assert "- At 1/80: the rule does not hold in recall@1 (-2.0 [-3.0, -1.0] points)" in brush
    assert "the rule holds in mAP (+4.0 [+3.0, +5.0] points)." in rest
    assert "the rule is inconclusive in recall@1 (+1.0 [-1.0, +3.0] points)" in said["Emoji, protocol C**"]
    assert "## Kanji by size, protocol manifest, genre=brush" in text
    section = text[text.index("## Emoji by size, protocol C") :]
    assert section.splitlines()[2] == "`python -m studies.compatibility --only 'emoji-unseen/*'`"


def test_no_student_keeps_enough() -> None:
    said = "\n".join(findings(Lookup(student("1/80", (0.9, 0.89, 0.91), (0.0, -0.1, 0.1))), {"emoji": "B"}))
    assert "No student has a retention of mAP of 95%; the nearest is 1/80 with 90.0 [89.0, 91.0] %." in said
    assert "the rule is inconclusive" in said


def test_the_page_shows_rows_and_only_rows(tmp_path: Path) -> None:
    write_page(tmp_path / "results.md", ROWS, {"emoji": "B"}, host_card())
    lines = (tmp_path / "results.md").read_text().splitlines()
    tables = lines[lines.index("**mAP**") :]
    default = next(line for line in tables if line.startswith("| default | 1/80 |"))
    assert "43.2 [42.0, 44.0]" in default
    assert "50.0 [48.0, 52.0]" in default
    assert default.endswith("| 1 M | INVALID | 43.0 |")
    alone = next(line for line in tables if line.startswith("| independent | 1/80 |"))
    assert "0.6 [0.5, 0.7] | 30.0 [29.0, 31.0]" in alone
    assert any("--only 'emoji/1-80-*'" in line for line in lines)


def test_a_page_of_nothing_is_a_page(tmp_path: Path) -> None:
    write_page(tmp_path / "results.md", [], {"emoji": "B"}, host_card())
    assert (tmp_path / "results.md").read_text().startswith("# Results")


def test_places_stand_dearest_first() -> None:
    found = Lookup(ROWS)
    assert [place.size for place in found.by_default("emoji", "B")] == ["1/10", "1/80"]
    assert found.ablated("emoji", "B") == ["1/80"]
    assert found.macs(Place("emoji", "B", "1/10", "default")) == 8_000_000


def test_the_plot_is_written_twice_and_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        plot.write_plot(tmp_path / name, ROWS, "emoji", "B")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    plot.write_plot(tmp_path / "none", [], "emoji", "B")
    assert not (tmp_path / "none.png").exists()


def test_without_matplotlib_the_study_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"hetvs\[plots\]"):
        plot.require_matplotlib()
