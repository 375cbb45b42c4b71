"""docs/results-search.md: every number comes from a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hetvs.retrieval.rules import verdict
from hetvs.retrieval.words import metric_name, percent
from studies.search.methods import METHODS
from studies.search.plan import MOST_LATENCY, MOST_MACS
from studies.search.rows import PAIRS
from studies.shared.contest import COMPARED as METRICS
from studies.shared.markdown import markdown_table
from studies.shared.rows import MEAN, Row

INTRODUCTION = (
    f"Architectures of at most {MOST_MACS:,} MACs (by latency: of at most {MOST_LATENCY} of the reference kernel, "
    "summed from operators) for one cloud model, test split, means over the seeds with 95 % intervals. R1, R2 and R3 "
    "are searched and trained anew as published; anchored is cut out of its supernet, fitted in closed form and not "
    "trained again. Written by `make reproduce-search` from [results.json](results.json)."
)
FACTS = {
    "median_error": "median error of the latency predicted from operators, on held-out whole models",
    "kendall_tau": "Kendall's tau, supernet against training alone",
    "search_hours": "hours of a search",
    "family_satisfied": "share of ordered pairs of the exported family with M(q,g) > M(q,q), val",
    "family_shown": "share of those pairs whose interval is above zero",
    "latency_ratio": "measured latency / reference kernel",
}


def page(rows: Iterable[Row]) -> str:
    """Return the results as Markdown: scores, comparisons, single numbers; what is not there yet is left out."""
    rows = list(rows)
    found = {(row.method, row.pair, row.metric): row for row in rows if row.seed == MEAN and row.pair}
    scores = [_scores(found, method) for method in METHODS if (method, "q,g", "map") in found]
    parts = ["# Searched architectures", INTRODUCTION]
    if scores:
        header = ("method", "MACs", *(f"{metric_name(m)} {pair}" for m in METRICS for pair in ("M(q,g)", "M(q,q)")))
        parts += [markdown_table((*header, "rule on mAP"), scores)]
    compared = [line for above, below in PAIRS if (line := _compared(found, f"{above} - {below}"))]
    if compared:
        header = ("M(q,g) of", *(f"{metric_name(metric)}, points" for metric in METRICS), "above on mAP?")
        parts += ["## Who is above whom", markdown_table(header, compared)]
    facts = list(_facts(rows))
    if facts:
        parts += ["## Latency, ranking, family", markdown_table(("what", "of", "seed", "value"), facts)]
    return "\n\n".join(parts) + "\n"


def _scores(found: dict[tuple[str, str, str], Row], method: str) -> tuple[str, ...]:
    cells = [percent(found[method, pair, metric].estimate) for metric in METRICS for pair in ("q,g", "q,q")]
    return method, f"{found[method, 'q,g', 'map'].macs:,}", *cells, verdict(found[method, "q,g", "rule/map"].estimate)


def _compared(found: dict[tuple[str, str, str], Row], method: str) -> tuple[str, ...]:
    if (method, "q,g", "difference/map") not in found:
        return ()
    differences = [found[method, "q,g", f"difference/{metric}"].estimate for metric in METRICS]
    return method, *(percent(one, signed=True) for one in differences), verdict(differences[METRICS.index("map")])


def _facts(rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        if row.metric in FACTS and row.value is not None:
            interval = "" if row.lower is None else f" [{row.lower:.3f}, {row.upper:.3f}]"
            yield FACTS[row.metric], row.method, str(row.seed), f"{row.value:.3f}{interval}"
