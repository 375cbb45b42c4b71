"""The part on shorter vectors: what the default student loses when both sides keep their first components only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hetvs.retrieval.intervals import Estimate, Sample
from hetvs.retrieval.words import metric_name
from studies.product.lengths import CHANGE
from studies.product.parts import NOTHING, Found, Part, origin_of, shown
from studies.product.plan import ProductPlanner
from studies.shared.contest import COMPARED
from studies.shared.jobs import Job
from studies.shared.markdown import markdown_table
from studies.shared.methods import CLOUD, DEFAULT
from studies.shared.paired import Columns, Seed, paired, with_means
from studies.shared.rows import MEAN, Row
from studies.shared.tables import Table, load

PART = "prefixes"
AT, LOST = "{} at {}", "loss/{} at {}"  # a metric and a length of the vectors; what it lacks to the whole length
COSINE_CHANGE = "largest cosine change"
PAIR_OF = {DEFAULT: "q,g", CLOUD: "g,g"}
Tables = Mapping[str, Table]  # by length, the whole first


def _jobs(planner: ProductPlanner) -> list[Job]:
    return list(planner.prefixes.values())


def _rows(planner: ProductPlanner) -> Iterator[Row]:
    """Yield the student per seed and as a mean, and the paragon, at every length; then what rotating did to cosines."""
    found = {seed: load(job.output) for seed, job in planner.prefixes.items() if job.state() == "done"}
    if not found:
        return
    origin = origin_of(planner, PART)
    first = next(iter(found.values()))
    seeded: dict[tuple[str, Seed], Columns] = {(DEFAULT, seed): _columns(DEFAULT, t) for seed, t in found.items()}
    columns = with_means(seeded, {DEFAULT: len(planner.seeds)})
    columns[CLOUD, MEAN] = _columns(CLOUD, first)  # one gallery for all, which has no seeds
    labels = next(iter(first.values())).labels
    for (method, seed), samples in paired(columns, labels).items():
        for metric, estimate in _estimates(samples, list(first)):
            yield origin.row(method, seed, PAIR_OF[method], metric, estimate)
    changes: dict[Seed, float] = {seed: _change(tables) for seed, tables in found.items()}
    if len(changes) == len(planner.seeds):
        changes[MEAN] = float(np.mean(list(changes.values())))
    for seed, change in changes.items():
        yield origin.row(DEFAULT, seed, "q,g", COSINE_CHANGE, Estimate(change))


def _change(tables: Tables) -> float:
    """Return the largest change of a cosine between whole vectors of any query and any gallery item."""
    return float(next(iter(tables.values())).columns[CHANGE].max())


def _columns(method: str, tables: Tables) -> Columns:
    """Return the values per query of a model at every length."""
    return {
        AT.format(metric, dim): table.columns[f"{PAIR_OF[method]}/{metric}"]
        for dim, table in tables.items()
        for metric in COMPARED
    }


def _estimates(samples: Mapping[str, Sample], dims: list[str]) -> Iterator[tuple[str, Estimate]]:
    """Yield each metric at each length, and what it lacks to that of the whole length, paired."""
    for metric in COMPARED:
        whole = samples[AT.format(metric, dims[0])]
        for dim in dims:
            sample = samples[AT.format(metric, dim)]
            yield AT.format(metric, dim), sample.estimate()
            if dim != dims[0]:
                yield LOST.format(metric, dim), (whole - sample).estimate()


def _text(found: Found) -> list[str]:
    change = found.get((DEFAULT, "q,g", COSINE_CHANGE))
    if change is None or change.value is None:
        return [NOTHING]
    begin = AT.format(COMPARED[0], "")
    named = [
        metric.removeprefix(begin) for method, _, metric in found if method == DEFAULT and metric.startswith(begin)
    ]
    dims = sorted(map(int, named), reverse=True)
    header = [
        f"{metric_name(metric)} M({pair}){suffix}"
        for metric in COMPARED
        for pair in PAIR_OF.values()
        for suffix in ("", " lost")
    ]
    return [
        "Both sides are rotated into the basis of the cloud network's vectors of its train images, then cut alike and "
        "normalised again; no model is trained for it. The largest change of a cosine of whole vectors is "
        f"{change.value:.6f}. Lost: points that a length lacks to the whole one, on the same queries.",
        markdown_table(["components", *header], [_line(found, dim) for dim in dims]),
    ]


def _line(found: Found, dim: int) -> list[str]:
    cells = [
        shown(found, (method, pair, name.format(metric, dim)), signed=name == LOST)
        for metric in COMPARED
        for method, pair in PAIR_OF.items()
        for name in (AT, LOST)
    ]
    return [str(dim), *cells]


PREFIXES = Part(name=PART, title="Shorter vectors", jobs=_jobs, rows=_rows, text=_text)
