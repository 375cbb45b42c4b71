"""Open-set metrics as tables: their lines, one sentence each for a terminal, the notes."""

from __future__ import annotations

from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.open_judge import OpenSet
from hetvs.retrieval.open_set import OperatingPoint
from hetvs.retrieval.words import percent

RATES = ("TAR@FAR", "TPIR@FPIR")
HEADER = ["query model", "gallery model", "", "target", "threshold", "realised", "accepted"]
UNMATED = {
    "absent": "queries without a relevant image",
    "left-out": "all queries, each with its class left out of the gallery",
}
NOTE = (
    "TAR: share of genuine pairs above the threshold that a FAR of impostor pairs sets; TPIR: share of queries with a "
    "relevant image whose first answer is right and above the threshold that an FPIR of unmated queries sets. "
    "A threshold belongs to one pair of models. Below resolution: one impostor is more than the target."
)


def lines(found: OpenSet) -> list[list[str]]:
    """Return the rows of one pair of models as printed, TAR first."""
    named = zip(RATES, (found.tar, found.tpir), strict=True)
    return [_line(found, name, point) for name, points in named for point in points]


def counts_sentence(found: OpenSet) -> str:
    """Say what the thresholds of a pair of models rest on."""
    pairs = f" (of {found.pair_queries:,} queries)" if found.pair_queries < found.mated + found.absent else ""
    return (
        f"{found.mated:,} queries have a relevant image and {found.absent:,} have none. "
        f"FAR: {found.impostors:,} impostor and {found.genuine:,} genuine pairs{pairs}. "
        f"FPIR: {found.unmated_queries:,} first answers, of {UNMATED[found.unmated]}."
    )


def short_rows(open_set: tuple[OpenSet, ...]) -> list[list[str]]:
    """Return the table for a terminal: a row per pair of models, a column per metric and target, no intervals."""
    named = [f"{name}={p.target:g}" for name, points in zip(RATES, _points(open_set[0]), strict=True) for p in points]
    rows = [["query", "gallery", *named]]
    for found in open_set:
        rates = [Estimate(p.accepted.value) for points in _points(found) for p in points]
        rows.append([found.query, found.gallery, *map(percent, rates)])
    return rows


def score(estimate: Estimate) -> str:
    """Return a threshold and its interval as printed; an undefined one is a dash.

    >>> score(Estimate(0.5, 0.25, 0.75)), score(Estimate(None, reason="there is no impostor score"))
    ('0.500 [0.250, 0.750]', '–')
    """
    if estimate.value is None:
        return "–"
    known = estimate.low is not None and estimate.high is not None
    return f"{estimate.value:.3f}" + (f" [{estimate.low:.3f}, {estimate.high:.3f}]" if known else "")


def _points(found: OpenSet) -> tuple[tuple[OperatingPoint, ...], tuple[OperatingPoint, ...]]:
    return found.tar, found.tpir


def _line(found: OpenSet, name: str, point: OperatingPoint) -> list[str]:
    realised = "–" if point.realised is None else f"{100 * point.realised:.2f}"
    flag = "" if point.resolved else " (below resolution)"
    target = f"{100 * point.target:g}{flag}"
    return [found.query, found.gallery, name, target, score(point.threshold), realised, percent(point.accepted)]
