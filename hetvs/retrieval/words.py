"""A report in words: percent, tables, one plain sentence per verdict."""

from __future__ import annotations

from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.report import Cell, Judgement, ModelFacts, Report
from hetvs.retrieval.rules import Rule

RULE_METRIC = "map"  # the one that `--check` and the sentences speak of
CLASS_SETS = {
    "open": "open set: no judged class was seen in training",
    "closed": "closed set: judged classes were seen in training",
    "unknown": "open or closed set unknown: the manifest has no train row",
}
METRIC_NAMES = {
    "map": "mAP",
    "map@r": "mAP@R",
    "cosine": "cosine",
    "overlap@10": "overlap@10",
    "top_1_agreement": "top-1 agreement",
}


def metric_name(key: str) -> str:
    """Return how a metric is printed.

    >>> metric_name("map"), metric_name("recall@5")
    ('mAP', 'recall@5')
    """
    return METRIC_NAMES.get(key, key)


def percent(estimate: Estimate, *, signed: bool = False) -> str:
    """Return a number and its interval in percent; an undefined one is a dash.

    >>> percent(Estimate(0.5, 0.25, 0.75))
    '50.0 [25.0, 75.0]'
    >>> percent(Estimate(0.125, 0.1, 0.15), signed=True), percent(Estimate(None, reason="no baseline is given"))
    ('+12.5 [+10.0, +15.0]', '–')
    """
    if estimate.value is None:
        return "–"
    sign = "+" if signed else ""
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        interval = f" [{100 * estimate.low:{sign}.1f}, {100 * estimate.high:{sign}.1f}]"
    return f"{100 * estimate.value:{sign}.1f}{interval}"


def metrics_of(report: Report) -> list[str]:
    """Return the metric keys in the order of the report."""
    return list(report.cells[0].metrics)


def verdict_sentence(report: Report, judgement: Judgement) -> str:
    """Say whether the query model gains from the gallery model's index, on mAP; then where another metric disagrees."""
    q, g = judgement.query, judgement.gallery
    rule = judgement.rule[RULE_METRIC]
    cross = percent(Estimate(report.cell(q, g)[RULE_METRIC]))
    alone = percent(Estimate(report.cell(q, q)[RULE_METRIC]))
    heads = {
        "holds": f"Queries of {q} find more in the gallery of {g} than in one of their own",
        "does not hold": f"Queries of {q} find less in the gallery of {g} than in one of their own",
        "inconclusive": f"It is not settled whether queries of {q} find more in the gallery of {g} "
        "than in one of their own",
    }
    difference = percent(rule.difference, signed=True)
    others = [
        f" On {metric_name(metric)} it {_verb(other)}: {percent(other.difference, signed=True)} points."
        for metric, other in judgement.rule.items()
        if other.verdict != rule.verdict
    ]
    return f"{heads[rule.verdict]}: mAP {cross} against {alone}, a difference of {difference} points.{''.join(others)}"


def gains_sentence(judgement: Judgement) -> str:
    """Say how near the paragon the query model comes, on mAP."""
    kept = judgement.retention[RULE_METRIC]
    won = judgement.recovery[RULE_METRIC]
    first = f"Retention {percent(kept)} %" if kept.value is not None else f"Retention is undefined: {kept.reason}"
    second = f"recovery {percent(won)} %" if won.value is not None else f"recovery is undefined: {won.reason}"
    notes = "".join(f" ({e.reason})" for e in (kept, won) if e.value is not None and e.reason)
    return f"{first}; {second}{notes}."


def setup_sentence(report: Report) -> str:
    """Say what was judged: protocol, sizes, open or closed set, resampling."""
    s = report.setup
    return (
        f"Protocol {s.protocol}, {s.split} split: {s.description}. {s.queries:,} queries"
        f"{f' ({s.skipped:,} skipped)' if s.skipped else ''}, {s.images:,} images, {s.classes.judged:,} classes; "
        f"{CLASS_SETS[s.classes.verdict]}. Intervals: 95 %, {s.draws:,} bootstrap draws "
        f"of {s.resampled}, seed {s.seed}."
    )


def cost_line(model: ModelFacts) -> list[str]:
    """Return name, role, MACs, parameters and cost ratio of one model as printed."""
    macs = f"{model.macs / 1e6:,.1f} M" if model.macs is not None else "–"
    parameters = f"{model.parameters / 1e6:,.2f} M" if model.parameters is not None else "–"
    ratio = f"{model.cost_ratio:,.1f}x" if model.cost_ratio is not None else "–"
    return [model.name, model.role, macs, parameters, ratio]


def cell_line(cell: Cell, metrics: list[str]) -> list[str]:
    """Return one row of the matrix as printed; a cell without numbers shows its reason."""
    numbers = [percent(cell.metrics[m]) for m in metrics] if cell.metrics else [f"– ({cell.reason})", *[""] * 9]
    return [cell.query, cell.gallery, cell.kind, *numbers[: len(metrics)]]


def short_table(report: Report) -> str:
    """Return the matrix (values in percent, no intervals) and the verdicts as text for a terminal."""
    metrics = metrics_of(report)
    rows = [["query", "gallery", "", *map(metric_name, metrics)]]
    for cell in report.cells:
        numbers = [f"{100 * cell[m]:.1f}" for m in metrics] if cell.metrics else ["–"] * len(metrics)
        rows.append([cell.query, cell.gallery, cell.kind, *numbers])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for judgement in report.judgements:
        lines += ["", f"{judgement.query}: the heterogeneous rule {_verb(judgement.rule[RULE_METRIC])} on mAP."]
        lines += [verdict_sentence(report, judgement), gains_sentence(judgement)]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def markdown(report: Report) -> str:
    """Return the report as a Markdown page: verdicts, matrix, fidelity, cost."""
    metrics = metrics_of(report)
    parts = ["# Cross-model retrieval report", setup_sentence(report)]
    for judgement in report.judgements:
        title = f"## {judgement.query}: the rule {_verb(judgement.rule[RULE_METRIC])} on mAP"
        parts += [title, f"{verdict_sentence(report, judgement)} {gains_sentence(judgement)}"]
    parts += ["## Matrix (percent, 95 % intervals)"]
    header = ["query model", "gallery model", "", *map(metric_name, metrics)]
    parts += [_markdown_table(header, [cell_line(cell, metrics) for cell in report.cells])]
    parts += ["## Fidelity to the gallery model (percent)"]
    measures = list(report.judgements[0].fidelity)
    rows = [[j.query, *(percent(j.fidelity[m]) for m in measures)] for j in report.judgements]
    parts += [_markdown_table(["query model", *map(metric_name, measures)], rows)]
    cost = ["model", "role", "MACs", "parameters", "paragon MACs / its MACs"]
    parts += ["## Cost", _markdown_table(cost, [cost_line(m) for m in report.models])]
    if report.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report.notes)]
    return "\n\n".join(parts) + "\n"


def _verb(rule: Rule) -> str:
    return f"is {rule.verdict}" if rule.verdict == "inconclusive" else rule.verdict


def _markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
