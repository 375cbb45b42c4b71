"""docs/results-updates.md: what the rows of the study of updates say, scenario by scenario."""

from __future__ import annotations

from collections.abc import Sequence

from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.rules import verdict
from hetvs.retrieval.words import metric_name, percent
from studies.shared.contest import COMPARED
from studies.shared.markdown import markdown_table
from studies.shared.rows import MEAN, Row
from studies.updates.plan import DEFAULT, FREE, Scenario
from studies.updates.rows import AHEAD, OLD

HEADER = ["method", "M(new,old)", "less M(old,old)", "M(new,new)", "less M(free,free)", "gain", "P_up", "P_comp", "P_1"]
INTRODUCTION = (
    "Written by `make reproduce-updates` from [results.json](results.json). Test classes of the emoji, which no model "
    "saw in training, protocol B, through the exported files; percent, means over the seeds, 95 % intervals of a "
    "bootstrap over the classes. The old line shows that model alone; the first column of the free one is its control, "
    "at chance."
)
CHANCE = 0.02  # of recall@1 of a free model in the old gallery: the claim is less
Found = dict[tuple[str, str, str, str], Estimate]  # scenario, method, pair, metric


def page(rows: Sequence[Row], scenarios: Sequence[Scenario]) -> str:
    """Return the results as Markdown: sentences first, then a table per scenario and metric."""
    found: Found = {(row.protocol, row.method, row.pair, row.metric): row.estimate for row in rows if row.seed == MEAN}
    parts = ["# Updates that need no re-indexing", INTRODUCTION]
    for scenario in scenarios:
        if any(place[0] == scenario.name for place in found):
            parts += [f"## {scenario.name.capitalize()}", *_sentences(found, scenario)]
            parts += _chain(found, scenario) if scenario.chain else _update(found, scenario)
    return "\n\n".join(parts) + "\n"


def _sentences(found: Found, scenario: Scenario) -> list[str]:
    """Say of each claim whether it is met; a claim whose models are not finished is left out."""
    said = []
    for metric in COMPARED:
        name = metric_name(metric)
        rule = found.get((scenario.name, DEFAULT, "1,0", f"rule/{metric}"))
        if rule and not scenario.chain:
            shown = percent(rule, signed=True)
            said.append(f"{name}: the backward rule of the default, {shown} points: {verdict(rule)}.")
        ahead = found.get((scenario.name, AHEAD, "1,0", f"gain/{metric}"))
        if ahead:
            shown = percent(ahead, signed=True)
            said.append(f"{name}: update gain of the default less that of plain influence, {shown}.")
        ac = found.get((scenario.name, DEFAULT, "all", f"ac/{metric}"))
        if ac:
            said.append(f"{name}: AC of the default over {len(scenario.versions)} versions is {percent(ac)}.")
    control = found.get((scenario.name, FREE, "1,0", "recall@1"))
    if control and control.value is not None:
        below = "below" if control.value < CHANCE else "not below"
        said.append(f"A free model in the old gallery: recall@1 {percent(control)}, {below} {100 * CHANCE:g}.")
    return said


def _update(found: Found, scenario: Scenario) -> list[str]:
    """Return a table per metric: a line per method, between the old and the free model."""
    parts = []
    for metric in COMPARED:
        lines = []
        for method in (OLD, *scenario.methods, FREE):
            own = "0,0" if method == OLD else "1,1"
            names = [("1,0", metric), ("1,0", f"rule/{metric}"), (own, metric)]
            names += [("1,0", f"{figure}/{metric}") for figure in ("cost", "gain", "p_up", "p_comp", "p_1")]
            cells = [_shown(found, (scenario.name, method, *name)) for name in names]
            if any(cell != "–" for cell in cells):
                lines.append([method, *cells])
        parts += [f"**{metric_name(metric)}**", markdown_table(HEADER, lines)]
    return parts


def _chain(found: Found, scenario: Scenario) -> list[str]:
    """Return the lower triangle of each method on each metric."""
    parts = []
    versions = range(len(scenario.versions))
    for method in scenario.methods:
        for metric in COMPARED:
            lines = []
            for t in versions:
                known_as = OLD if t == 0 else method
                cells = [_shown(found, (scenario.name, known_as, f"{t},{s}", metric)) for s in range(t + 1)]
                lines.append([f"v{t + 1}", *cells, *[""] * (len(versions) - t - 1)])
            am = _shown(found, (scenario.name, method, "all", f"am/{metric}"))
            title = f"**{method}, {metric_name(metric)}** (AM {am})"
            parts += [title, markdown_table(["query \\ gallery", *(f"v{s + 1}" for s in versions)], lines)]
    return parts


def _shown(found: Found, place: tuple[str, str, str, str]) -> str:
    signed = place[3].startswith(("rule/", "cost/"))
    return percent(found[place], signed=signed) if place in found else "–"
