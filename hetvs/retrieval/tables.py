"""A report as tables: the lines of each, the text for a terminal, the Markdown page."""

from __future__ import annotations

from hetvs.retrieval import certificate_tables, flips, open_tables, prefix_tables
from hetvs.retrieval.breakdown import Slice
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.report import Cell, Judgement, ModelFacts, Report
from hetvs.retrieval.words import (
    RULE_METRIC,
    flips_sentence,
    gains_sentence,
    metric_name,
    p_value,
    percent,
    setup_sentence,
    verb,
    verdict_sentence,
)

FLIPS_HEADER = ["query model", f"NFR@{flips.K}", f"PFR@{flips.K}", "relative NFR", "NFI", "McNemar p"]
FLIPS_NOTE = (
    f"Right: a relevant image within rank {flips.K} of the gallery. NFR: right for queries of the gallery model, wrong "
    "for those of the query model; PFR: the reverse. Relative NFR: 100 is what independent errors would give. NFI: "
    "share of the query model's errors that are flips. McNemar's p is exact and two-sided, for independent queries."
)
SLICES_NOTE = "Each row draws from its own queries alone; among many rows, one or another is off by chance."


def metrics_of(report: Report) -> list[str]:
    """Return the metric keys in the order of the report."""
    return list(report.cells[0].metrics)


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


def flips_line(judgement: Judgement) -> list[str]:
    """Return one row of the table of flips as printed."""
    f = judgement.flips
    rates = [percent(rate) for rate in (f.nfr, f.pfr, f.relative_nfr, f.nfi)]
    return [judgement.query, *rates, p_value(f.mcnemar_p)]


def slices_header(by: str) -> list[str]:
    """Return the head of a table of `slice_line`; M is the metric of the verdicts."""
    numbers = ["M(q,g)", "M(q,q)", "M(g,g)", "M(q,g) - M(q,q)", "retention"]
    return [by, "query model", "queries", "classes", *numbers, "rule"]


def slice_line(query: str, part: Slice) -> list[str]:
    """Return one row of the breakdown as printed, on mAP."""
    m = RULE_METRIC
    cells = [percent(cell[m]) for cell in (part.q_g, part.q_q, part.g_g)]
    difference = percent(part.rule[m].difference, signed=True)
    sizes = [f"{part.queries:,}", f"{part.classes:,}"]
    return [slice_name(part), query, *sizes, *cells, difference, percent(part.retention[m]), part.rule[m].verdict]


def slice_name(part: Slice) -> str:
    """Return the value of a slice as printed."""
    return part.value or "(empty)"


def short_table(report: Report) -> str:
    """Return the matrix (values in percent, no intervals), the breakdown and the verdicts as text for a terminal."""
    metrics = metrics_of(report)
    rows = [["query", "gallery", "", *map(metric_name, metrics)]]
    for cell in report.cells:
        numbers = [f"{100 * cell[m]:.1f}" for m in metrics] if cell.metrics else ["–"] * len(metrics)
        rows.append([cell.query, cell.gallery, cell.kind, *numbers])
    lines = aligned(rows)
    if report.setup.by:
        lines += ["", f"{metric_name(RULE_METRIC)} by {report.setup.by}", *aligned(_short_slices(report))]
    if report.open_set:
        lines += ["", *aligned(open_tables.short_rows(report.open_set))]
    if report.certificates:
        lines += ["", *map(certificate_tables.sentence, report.certificates)]
    if report.prefixes:
        lines += ["", *aligned([prefix_tables.HEADER, *map(prefix_tables.line, report.prefixes)])]
    for judgement in report.judgements:
        lines += ["", f"{judgement.query}: the heterogeneous rule {verb(judgement.rule[RULE_METRIC])} on mAP."]
        lines += [verdict_sentence(report, judgement), gains_sentence(judgement), flips_sentence(judgement)]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def markdown(report: Report) -> str:
    """Return the report as a Markdown page: verdicts, matrix, breakdown, flips, fidelity, cost."""
    metrics = metrics_of(report)
    parts = ["# Cross-model retrieval report", setup_sentence(report.setup)]
    for judgement in report.judgements:
        title = f"## {judgement.query}: the rule {verb(judgement.rule[RULE_METRIC])} on mAP"
        parts += [title, f"{verdict_sentence(report, judgement)} {gains_sentence(judgement)}"]
    parts += ["## Matrix (percent, 95 % intervals)"]
    header = ["query model", "gallery model", "", *map(metric_name, metrics)]
    parts += [markdown_table(header, [cell_line(cell, metrics) for cell in report.cells])]
    if report.setup.by:
        parts += [f"## {metric_name(RULE_METRIC)} by {report.setup.by} of the query (percent, 95 % intervals)"]
        lines = [slice_line(j.query, part) for j in report.judgements for part in j.slices]
        parts += [markdown_table(slices_header(report.setup.by), lines), SLICES_NOTE]
    parts += ["## Flips against the gallery model on both sides (percent, 95 % intervals)"]
    parts += [markdown_table(FLIPS_HEADER, [flips_line(j) for j in report.judgements]), FLIPS_NOTE]
    parts += ["## Fidelity to the gallery model (percent)"]
    measures = list(report.judgements[0].fidelity)
    rows = [[j.query, *(percent(j.fidelity[m]) for m in measures)] for j in report.judgements]
    parts += [markdown_table(["query model", *map(metric_name, measures)], rows)]
    if report.open_set:
        lines = [line for found in report.open_set for line in open_tables.lines(found)]
        parts += ["## Open set (percent, 95 % intervals)", open_tables.counts_sentence(report.open_set[0])]
        parts += [markdown_table(open_tables.HEADER, lines), open_tables.NOTE]
    parts += _certificates(report)
    if report.prefixes:
        table = markdown_table(prefix_tables.HEADER, [*map(prefix_tables.line, report.prefixes)])
        parts += ["## Prefixes (mAP, percent, 95 % intervals)", table, prefix_tables.NOTE]
    cost = ["model", "role", "MACs", "parameters", "paragon MACs / its MACs"]
    parts += ["## Cost", markdown_table(cost, [cost_line(m) for m in report.models])]
    if report.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report.notes)]
    return "\n\n".join(parts) + "\n"


def _certificates(report: Report) -> list[str]:
    """Return the certificates and the cascade as Markdown; nothing where they were not asked for."""
    found = report.certificates
    if not found:
        return []
    lines = [line for certificate in found for line in certificate_tables.lines(certificate)]
    curves = markdown_table(certificate_tables.cascade_header(found[0]), [*map(certificate_tables.cascade_line, found)])
    return [
        "## Certificates (percent, 95 % intervals)",
        "\n".join(map(certificate_tables.sentence, found)),
        markdown_table(certificate_tables.HEADER, lines),
        certificate_tables.NOTE,
        "recall@1 by the share of queries that is escalated, smallest margins first (percent):",
        curves,
    ]


def _short_slices(report: Report) -> list[list[str]]:
    """Return the breakdown for a terminal: intervals of the difference only."""
    rows = [[report.setup.by, "query", "queries", "M(q,g)", "M(q,q)", "M(g,g)", "M(q,g) - M(q,q)"]]
    for judgement in report.judgements:
        for part in judgement.slices:
            cells = [percent(Estimate(cell[RULE_METRIC].value)) for cell in (part.q_g, part.q_q, part.g_g)]
            difference = percent(part.rule[RULE_METRIC].difference, signed=True)
            rows.append([slice_name(part), judgement.query, f"{part.queries:,}", *cells, difference])
    return rows


def aligned(rows: list[list[str]]) -> list[str]:
    """Return rows of a table as lines with columns of one width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
