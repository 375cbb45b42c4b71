"""Versions of a model as text, as Markdown and as a page with the lower triangle as a picture."""

from __future__ import annotations

from pathlib import Path

from hetvs.files import new_folder, write_json, write_text
from hetvs.retrieval import words
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.page import rendered
from hetvs.retrieval.tables import aligned, markdown_table
from hetvs.retrieval.versions_report import Step, VersionsReport
from hetvs.retrieval.words import RULE_METRIC, metric_name, p_value, percent, verb

WORTH_HEADER = ["metric", "update gain", "M(new,new) - M(free,free)", "P_up", "P_comp", "P_1"]
STEPS_HEADER = ["new", "gallery of", "metric", "verdict", "M(new,old) - M(old,old)"]
FLIPS_HEADER = ["new", "gallery of", "NFR@1", "PFR@1", "relative NFR", "McNemar p"]
WORTH_NOTE = (
    "Update gain: 100 is what a backfill with the free model would give. The second column is the cost of being "
    "compatible. P_up, P_comp and P_1 (AdvBCT): 50 is parity."
)
CLASS_OF = {"holds": "holds", "does not hold": "fails"}


def write_versions(report: VersionsReport, folder: Path, *, overwrite: bool = False) -> None:
    """Write report.json, report.md and report.html; they appear together or not at all."""
    with new_folder(folder, overwrite=overwrite) as temporary:
        write_json(temporary / "report.json", report.to_json())
        write_text(temporary / "report.md", markdown(report))
        write_text(temporary / "report.html", render(report))


def render(report: VersionsReport) -> str:
    """Return the page; it needs no network."""
    tables = {
        "Update gain and cost": (WORTH_HEADER, worth_lines(report)),
        "The backward rule, metric by metric": (STEPS_HEADER, step_lines(report)),
        "Flips of new/old against old/old": (FLIPS_HEADER, flip_lines(report)),
    }
    return rendered(
        "versions.html.j2",
        report=report,
        words=words,
        triangles={metric: triangle(report, metric) for metric in report.chain},
        chain=[chain_sentence(report, metric) for metric in report.chain],
        sentences=[step_sentence(report, step) for step in report.steps],
        others=others_lines(report),
        tables={title: table for title, table in tables.items() if table[1]},
        worth_note=WORTH_NOTE,
        class_of=CLASS_OF,
    )


def markdown(report: VersionsReport) -> str:
    """Return the report as a Markdown page."""
    parts = ["# Versions of a model", words.setup_sentence(report.setup)]
    parts += ["\n".join(f"- {step_sentence(report, step)}" for step in report.steps)]
    for metric in report.chain:
        header = [f"{metric_name(metric)}: query \\ gallery", *report.versions]
        lines = [[name, *(text for text, _ in row)] for name, row in triangle(report, metric)]
        parts += [f"## {metric_name(metric)}", markdown_table(header, lines), chain_sentence(report, metric)]
    if others_lines(report):
        names = [metric_name(metric) for metric in report.chain]
        parts += ["## Beside the versions", markdown_table(["query", "gallery", "", *names], others_lines(report))]
    if report.worth:
        parts += ["## Update gain and cost", markdown_table(WORTH_HEADER, worth_lines(report)), WORTH_NOTE]
    parts += ["## The backward rule", markdown_table(STEPS_HEADER, step_lines(report))]
    parts += ["## Flips of new/old against old/old", markdown_table(FLIPS_HEADER, flip_lines(report))]
    if report.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report.notes)]
    return "\n\n".join(parts) + "\n"


def short_text(report: VersionsReport) -> str:
    """Return the lower triangle on mAP, the verdicts and the worth of the newest version for a terminal."""
    rows = [[f"{metric_name(RULE_METRIC)}: query \\ gallery", *report.versions]]
    for number, name in enumerate(report.versions):
        values = [percent(Estimate(report.cell(name, old)[RULE_METRIC])) for old in report.versions[: number + 1]]
        rows.append([name, *values, *[""] * (len(report.versions) - number - 1)])
    lines = [*aligned(rows), "", chain_sentence(report, RULE_METRIC)]
    lines += [step_sentence(report, step) for step in report.steps]
    if report.worth:
        lines += ["", *aligned([WORTH_HEADER, *worth_lines(report)])]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def triangle(report: VersionsReport, metric: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each version with its cells as printed and their colour: "", holds, fails or open; blank above."""
    rule = {(step.new, step.old): step.rule[metric].verdict for step in report.steps}
    rows = []
    for number, new in enumerate(report.versions):
        olds = report.versions[: number + 1]
        shown = [percent(report.cell(new, old).metrics[metric]) for old in olds]
        colours = ["" if old == new else CLASS_OF.get(rule[new, old], "open") for old in olds]
        blank = [("", "")] * (len(report.versions) - number - 1)
        rows.append((new, [*zip(shown, colours, strict=True), *blank]))
    return rows


def step_sentence(report: VersionsReport, step: Step) -> str:
    """Say of one pair whether the newer version finds more in the older gallery, on mAP."""
    rule = step.rule[RULE_METRIC]
    cross, alone = (percent(Estimate(report.cell(q, step.old)[RULE_METRIC])) for q in (step.new, step.old))
    difference = percent(rule.difference, signed=True)
    return (
        f"{step.new} in the gallery of {step.old}: the backward rule {verb(rule)} on mAP, {cross} against {alone}, "
        f"a difference of {difference} points."
    )


def chain_sentence(report: VersionsReport, metric: str) -> str:
    """Say AC and AM of one metric."""
    chain = report.chain[metric]
    said = "undefined for one version" if chain.ac is None else f"{100 * chain.ac:.1f}"
    return (
        f"{metric_name(metric)}: AC {said} (a tie is not compatible), AM {percent(chain.am)}; "
        f"the interval shows the rule for {chain.shown} of {chain.pairs} pairs."
    )


def worth_lines(report: VersionsReport) -> list[list[str]]:
    """Return a line per metric of what the newest version is worth; none without a free model."""
    lines = []
    for metric, worth in (report.worth or {}).items():
        scores = (worth.scores.p_up, worth.scores.p_comp, worth.scores.p_1)
        numbers = [percent(worth.gain), percent(worth.cost, signed=True), *map(percent, scores)]
        lines.append([metric_name(metric), *numbers])
    return lines


def step_lines(report: VersionsReport) -> list[list[str]]:
    """Return a line per pair and metric."""
    return [
        [step.new, step.old, metric_name(metric), rule.verdict, percent(rule.difference, signed=True)]
        for step in report.steps
        for metric, rule in step.rule.items()
    ]


def flip_lines(report: VersionsReport) -> list[list[str]]:
    """Return a line per pair."""
    return [
        [s.new, s.old, *map(percent, (s.flips.nfr, s.flips.pfr, s.flips.relative_nfr)), p_value(s.flips.mcnemar_p)]
        for s in report.steps
    ]


def others_lines(report: VersionsReport) -> list[list[str]]:
    """Return the cells outside the triangle: the full vector, the free model, its control."""
    cells = [c for c in report.cells if not {c.query, c.gallery} <= set(report.versions)]
    return [[c.query, c.gallery, c.kind, *map(percent, c.metrics.values())] for c in cells]
