"""The judged pairs that three parts of the study read: the default student in the gallery, a pair a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from studies.product.pair import Pair
from studies.product.plan import ProductPlanner
from studies.shared.jobs import Job
from studies.shared.methods import DEFAULT
from studies.shared.paired import Columns, Seed, with_means


def pair_jobs(planner: ProductPlanner) -> list[Job]:
    """Return the jobs that judge every seed."""
    return list(planner.pairs.values())


def finished_pairs(planner: ProductPlanner) -> dict[int, Pair]:
    """Read what is finished, by seed."""
    return {seed: Pair.load(job.output) for seed, job in planner.pairs.items() if job.state() == "done"}


def seeded(
    planner: ProductPlanner, pairs: Mapping[int, Pair], columns_of: Callable[[Pair], Columns]
) -> dict[tuple[str, Seed], Columns]:
    """Return the columns of every seed of the default, and their mean once all seeds are there."""
    columns = {(DEFAULT, cast(Seed, seed)): columns_of(pair) for seed, pair in pairs.items()}
    return with_means(columns, {DEFAULT: len(planner.seeds)})
