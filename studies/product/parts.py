"""A part of the study: a claim, the jobs that it needs, its rows, and its section of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.words import percent
from studies.product.plan import NAME, SIZE, ProductPlanner
from studies.shared.jobs import Job
from studies.shared.paired import Seed
from studies.shared.rows import MEAN, Row, rounded

NOTHING = "Nothing measured yet."
Place = tuple[str, str, str]  # method, pair, metric
Found = Mapping[Place, Row]  # means over the seeds


@dataclass(frozen=True, kw_only=True)
class Part:
    """One claim. `name` is what `--only` takes; `text` makes Markdown of the rows of all parts."""

    name: str
    title: str
    jobs: Callable[[ProductPlanner], Sequence[Job]]
    rows: Callable[[ProductPlanner], Iterable[Row]]
    text: Callable[[Found], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What every row of a part says of where it is from."""

    part: str
    planner: ProductPlanner

    def row(
        self, method: str, seed: Seed, pair: str, metric: str, estimate: Estimate, *, macs: int | None = None
    ) -> Row:
        """Return a row of the student, under the study's protocol; a cost has no pair and no protocol."""
        return Row(
            study=NAME,
            dataset=self.planner.dataset.known_as,
            protocol=self.planner.dataset.protocols[0] if pair else "",
            method=method,
            size=SIZE,
            macs=macs,
            seed=seed,
            metric=metric,
            pair=pair,
            command=f"python -m studies.{NAME} --only {self.part}",
            **rounded(estimate),
        )


def means(rows: Iterable[Row]) -> Found:
    """Return the rows that the page speaks of: means over the seeds, and what has one value alone."""
    return {(row.method, row.pair, row.metric): row for row in rows if row.seed == MEAN or not row.pair}


def shown(found: Found, place: Place, *, signed: bool = False) -> str:
    """Return a number as printed, in percent; a dash where it is not measured."""
    return percent(found[place].estimate, signed=signed) if place in found else "–"
