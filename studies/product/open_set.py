"""The part on open sets: what is rightly accepted where a share of the wrong answers may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from hetvs.retrieval.intervals import Estimate
from studies.product.pair import RATES
from studies.product.pairs import finished_pairs, pair_jobs
from studies.product.parts import NOTHING, Found, Part, origin_of, shown
from studies.product.plan import ProductPlanner
from studies.shared.markdown import markdown_table
from studies.shared.methods import CLOUD, DEFAULT
from studies.shared.rows import MEAN, Row

PART = "open-set"
METHOD_OF = {"q,g": DEFAULT, "g,g": CLOUD}
METRICS = tuple(f"{name}={rate:g}" for name in ("tpir@fpir", "tar@far") for rate in RATES)


def _rows(planner: ProductPlanner) -> Iterator[Row]:
    """Yield TPIR and TAR of the pair, per seed and as a mean, and of the paragon, which has no seeds."""
    origin = origin_of(planner, PART)
    found: dict[tuple[str, str], dict[int, Estimate]] = {}
    for seed, judged in finished_pairs(planner).items():
        for fact in judged.facts["open_set"]:
            estimate = Estimate(fact["value"], fact["low"], fact["high"], fact["reason"])
            found.setdefault((fact["pair"], fact["metric"]), {})[seed] = estimate
    for (pair, metric), by_seed in found.items():
        method = METHOD_OF[pair]
        if method == CLOUD:
            yield origin.row(method, MEAN, pair, metric, next(iter(by_seed.values())))
            continue
        for seed, estimate in by_seed.items():
            yield origin.row(method, seed, pair, metric, estimate)
        if len(by_seed) == len(planner.seeds):
            yield origin.row(method, MEAN, pair, metric, mean_of_ends(by_seed.values()))


def mean_of_ends(seeds: Iterable[Estimate]) -> Estimate:
    """Return the mean over seeds, between the means of their ends; undefined where one seed is.

    Every draw of every seed finds a threshold of its own, so there are no samples to average. The seeds share
    their queries: the interval of the mean is no wider than this one, if the draws are about normal.

    >>> mean_of_ends([Estimate(0.2, 0.125, 0.25), Estimate(0.4, 0.375, 0.5)])
    Estimate(value=0.30000000000000004, low=0.25, high=0.375, reason='')
    """
    rows = [(one.value, one.low, one.high) for one in seeds]
    if any(number is None for row in rows for number in row):
        return Estimate(None, reason="a seed has no value, or no interval")
    value, low, high = np.mean(np.array(rows, dtype=float), axis=0).tolist()
    return Estimate(value, low, high)


def _text(found: Found) -> list[str]:
    if (DEFAULT, "q,g", METRICS[0]) not in found:
        return [NOTHING]
    lines = [[metric, *(shown(found, (METHOD_OF[pair], pair, metric)) for pair in METHOD_OF)] for metric in METRICS]
    return [markdown_table(["metric", "student, cloud's gallery", "cloud model on both sides"], lines)]


OPEN_SET = Part(name=PART, title="Open sets", jobs=pair_jobs, rows=_rows, text=_text)
