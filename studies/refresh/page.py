"""docs/results-refresh.md: what the rows of the study of refreshed galleries say."""

from __future__ import annotations

from collections.abc import Sequence

from hetvs.config import BackfillConfig
from hetvs.refresh.judge_curve import NO_MAP, RANDOM
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.rules import verdict
from hetvs.retrieval.words import metric_name, percent
from studies.refresh.plan import METHODS, RACT
from studies.refresh.rows import AHEAD
from studies.refresh.tables import METRICS
from studies.shared.markdown import markdown_table
from studies.shared.rows import MEAN, Row
from studies.updates.plan import DEFAULT, FREE, WARM_RACT

INTRODUCTION = (
    "Written by `make reproduce-refresh` from [results.json](results.json). The old model learned from the emoji of "
    "three vendors, the new one from all; test classes, which no model saw, protocol B, through the exported files. "
    "Percent, means over the seeds, 95 % intervals of a bootstrap over the classes, for the adjusted Rand index of a "
    "jackknife over the clusters. A free model is in a space of its own: its gallery starts from mapped vectors, and "
    "`no map` is the control."
)
ORDER = BackfillConfig.order  # the default of `hetvs backfill plan`
FIGURES = ("area", "normalised area", f"area above {RANDOM}", "lowest above old,old", "lowest above start")
Found = dict[tuple[str, str, str], Estimate]  # method, pair, metric


def page(rows: Sequence[Row]) -> str:
    """Return the results as Markdown: sentences first, then the curves and the clusters."""
    found: Found = {(row.method, row.pair, row.metric): row.estimate for row in rows if row.seed == MEAN}
    parts = ["# Galleries that are refreshed bit by bit", INTRODUCTION, *_sentences(found)]
    for metric in METRICS:
        parts += [f"## {metric_name(metric)}", _areas(found, metric), _points(found, metric)]
    return "\n\n".join([*parts, "## Identity clusters", _clusters(found)]) + "\n"


def _sentences(found: Found) -> list[str]:
    """Say of each claim whether it is met; a claim whose models are not finished is left out."""
    claims = [
        (f"{metric_name(metric)}: {text}", (method, ORDER, f"{figure}/{metric}"))
        for metric in METRICS
        for text, method, figure in (
            ("area of the default order above that of random ones, default method", DEFAULT, f"area above {RANDOM}"),
            ("lowest point of RACT's curve above M(old,old)", RACT, "lowest above old,old"),
            ("lowest point of RACT's curve above its start", RACT, "lowest above start"),
            ("lowest point of RACT's curve above M(old,old), warm start", WARM_RACT, "lowest above old,old"),
            ("lowest point of RACT's curve above its start, warm start", WARM_RACT, "lowest above start"),
            ("area with a map above that without", FREE, f"area above {NO_MAP}"),
        )
    ]
    claims += [
        (f"Adjusted Rand index of the default above that of a free model, {stage} gallery", (AHEAD, stage, "ari"))
        for stage in ("half", "whole")
    ]
    return [
        f"{text}: {percent(found[place], signed=True)}: {verdict(found[place])}."
        for text, place in claims
        if place in found
    ]


def _areas(found: Found, metric: str) -> str:
    lines = [
        [method, curve, *(_shown(found, (method, curve, f"{figure}/{metric}")) for figure in FIGURES)]
        for method, curve in _curves(found)
    ]
    return markdown_table(["method", "order", *FIGURES], lines)


def _points(found: Found, metric: str) -> str:
    shares = sorted({m.split("/")[0] for _, _, m in found if m.startswith("beta ") and m.endswith(f"/{metric}")})
    lines = [
        [method, curve, *(_shown(found, (method, curve, f"{share}/{metric}")) for share in shares)]
        for method, curve in _curves(found)
    ]
    return markdown_table(["method", "order", *shares], lines)


def _clusters(found: Found) -> str:
    lines = [
        [method, *(_shown(found, (method, stage, "ari")) for stage in ("half", "whole"))]
        for method in (*METHODS, AHEAD)
    ]
    return markdown_table(["method", "half refreshed", "whole"], lines)


def _curves(found: Found) -> list[tuple[str, str]]:
    """Return (method, order) of every curve."""
    return list(dict.fromkeys((method, pair) for method, pair, metric in found if metric.startswith("area/")))


def _shown(found: Found, place: tuple[str, str, str]) -> str:
    signed = "above" in place[2] or place[0] == AHEAD
    return percent(found[place], signed=signed) if place in found else "–"
