"""Students of one size that differ in what taught them: any teacher, and other people's losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hetvs.retrieval.words import metric_name
from studies.product.parts import Found, origin_of, shown
from studies.product.plan import ProductPlanner
from studies.shared.cases import Case
from studies.shared.contest import COMPARED, Contest, measured
from studies.shared.jobs import Job
from studies.shared.markdown import markdown_table
from studies.shared.methods import DEFAULT, difference_of
from studies.shared.paired import Seed
from studies.shared.rows import Row


def contest_of(planner: ProductPlanner, methods: Sequence[str]) -> tuple[Contest, dict[Case, int]] | None:
    """Return the finished students of these methods beside the cloud model, and their MACs; None without either."""
    cases = [planner.cloud, *(model for method in methods for model in planner.arm(method))]
    finished = measured(cases)
    if planner.cloud.case not in {one.case for one in finished} or len(finished) < 2:
        return None
    seeds = {planner.cloud.case: 1, **{model.case: len(planner.seeds) for model in cases[1:]}}
    macs = {one.case: one.card.macs for one in finished}
    return Contest.of(planner.dataset.protocols[0], finished, seeds), macs


def arm_rows(planner: ProductPlanner, part: str, methods: Sequence[str], shown_too: bool) -> Iterator[Row]:
    """Yield M(q,g) and M(q,q) of the methods, and what the default has above each; `shown_too` yields its own, too."""
    found = contest_of(planner, (DEFAULT, *methods))
    if found is None:
        return
    contest, macs = found
    by: dict[tuple[str, Seed], Case] = {(case.method, seed): case for case, seed in contest.samples}
    origin = origin_of(planner, part)
    for (method, seed), case in by.items():
        samples = contest.samples[case, seed]
        if method in methods or (shown_too and method == DEFAULT):
            for metric in COMPARED:
                for pair in ("q,g", "q,q"):
                    estimate = samples[f"{pair}/{metric}"].estimate()
                    yield origin.row(method, seed, pair, metric, estimate, macs[case])
        if method in methods and (DEFAULT, seed) in by:
            ours = contest.samples[by[DEFAULT, seed], seed]
            for metric in COMPARED:
                ahead = (ours[f"q,g/{metric}"] - samples[f"q,g/{metric}"]).estimate()
                name = difference_of(DEFAULT, method)
                yield origin.row(name, seed, "q,g", f"difference/{metric}", ahead, macs[case])


def arm_jobs(planner: ProductPlanner, methods: Sequence[str]) -> list[Job]:
    """Return the jobs that bring the values per query of these students, and of the cloud model."""
    return [planner.cloud.columns, *(model.columns for method in methods for model in planner.arm(method))]


def arm_table(found: Found, methods: Sequence[str]) -> str:
    """Return a line per student, the default first."""
    lines = []
    for method in (DEFAULT, *methods):
        cells = [shown(found, (method, pair, metric)) for metric in COMPARED for pair in ("q,g", "q,q")]
        ahead = [
            shown(found, (difference_of(DEFAULT, method), "q,g", f"difference/{metric}"), signed=True)
            for metric in COMPARED
        ]
        lines.append([method, *cells, *ahead])
    header = [f"{metric_name(metric)} M({pair})" for metric in COMPARED for pair in ("q,g", "q,q")]
    return markdown_table(["student", *header, *(f"default less it, {metric_name(m)}" for m in COMPARED)], lines)
