"""A part of the study: a claim, the jobs that it needs, its rows, and its section of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hetvs.retrieval.words import percent
from studies.product.plan import NAME, SIZE, ProductPlanner
from studies.shared.jobs import Job
from studies.shared.rows import MEAN, Origin, Row

NOTHING = "Nothing measured yet."
Place = tuple[str, str, str]  # method, pair, metric
Found = Mapping[Place, Row]  # means over the seeds


@dataclass(frozen=True, kw_only=True)
class Part:
    """One claim. `name` is what `--only` takes; `text` makes Markdown of the rows of all parts at `size`."""

    name: str
    title: str
    jobs: Callable[[ProductPlanner], Sequence[Job]]
    rows: Callable[[ProductPlanner], Iterable[Row]]
    text: Callable[[Found], Sequence[str]]
    size: str = SIZE


def origin_of(planner: ProductPlanner, part: str) -> Origin:
    """Return what the rows of a part share: the student's size, under the study's protocol."""
    return Origin(
        study=NAME,
        dataset=planner.dataset.known_as,
        protocol=planner.dataset.protocols[0],
        size=planner.size,
        command=f"python -m studies.{NAME} --only {part}",
    )


def means(rows: Iterable[Row]) -> Found:
    """Return the rows that the page speaks of: means over the seeds, and what has one value alone."""
    return {(row.method, row.pair, row.metric): row for row in rows if row.seed == MEAN or not row.pair}


def shown(found: Found, place: Place, *, signed: bool = False) -> str:
    """Return a number as printed, in percent; a dash where it is not measured."""
    return percent(found[place].estimate, signed=signed) if place in found else "–"
