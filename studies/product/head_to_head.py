"""The part on losses: the same student trained by those of other libraries, its accuracy and its speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hetvs.files import read_json
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.words import metric_name
from studies.product.arms import arm_jobs, arm_rows, arm_table
from studies.product.parts import NOTHING, Found, Part, origin_of, shown
from studies.product.plan import RIVAL_OF, ProductPlanner
from studies.shared.contest import COMPARED
from studies.shared.markdown import markdown_table
from studies.shared.methods import DEFAULT, difference_of
from studies.shared.rows import Row

SLOWER = 1.05  # times the CPU time of the fastest loss, that ours may take
IMAGES_PER_S, CPU_RATIO = "images_per_cpu_s", "cpu_ratio"
PART = "head-to-head"


def _speed_rows(planner: ProductPlanner) -> Iterator[Row]:
    """Yield images per CPU second of every loss, and our CPU time over that of each rival."""
    if planner.speed.state() != "done":
        return
    origin, seed = replace(origin_of(planner, PART), protocol=""), planner.seeds[0]
    measured_by = read_json(planner.speed.output / planner.speed.kind.whole)
    for method, loss in ((DEFAULT, DEFAULT), *RIVAL_OF.items()):
        values = measured_by[loss]
        yield origin.row(method, seed, "", IMAGES_PER_S, Estimate(values["images_per_cpu_s"]))
        if method != DEFAULT:
            yield origin.row(method, seed, "", CPU_RATIO, Estimate(*values["cpu_ratio"]))


def _text(found: Found) -> list[str]:
    said = []
    for method in RIVAL_OF:
        for metric in COMPARED:
            row = found.get((difference_of(DEFAULT, method), "q,g", f"difference/{metric}"))
            if row and row.lower is not None and row.upper is not None:
                verb = "is above" if row.lower > 0 else "is below" if row.upper < 0 else "may or may not be above"
                ahead = shown(found, (row.method, row.pair, row.metric), signed=True)
                said.append(f"{metric_name(metric)}: ours {verb} the student {method}, {ahead} points.")
    return [*said, arm_table(found, tuple(RIVAL_OF)), *_speeds(found)] if said else _speeds(found) or [NOTHING]


def _speeds(found: Found) -> list[str]:
    """Say how fast each loss trains, and whether ours is within 5 % of the fastest."""
    methods = [method for method in (DEFAULT, *RIVAL_OF) if (method, "", IMAGES_PER_S) in found]
    if not methods:
        return []
    lines = [[method, *(_number(found, method, name) for name in (IMAGES_PER_S, CPU_RATIO))] for method in methods]
    ratios = [found[method, "", CPU_RATIO].value or 0.0 for method in methods if method != DEFAULT]
    met = "is met" if max(ratios) <= SLOWER else "is not met"
    return [
        markdown_table(["student", "images per CPU second", "our CPU time / its own"], lines),
        f"At most {SLOWER:g} times the CPU time of the fastest {met}: {max(ratios):.3f}.",
    ]


def _number(found: Found, method: str, metric: str) -> str:
    row = found.get((method, "", metric))
    if row is None or row.value is None:
        return "–"
    spread = "" if row.lower is None else f" [{row.lower:,.4g}, {row.upper:,.4g}]"
    return f"{row.value:,.4g}{spread}"


HEAD_TO_HEAD = Part(
    name=PART,
    title="Beside other people's losses",
    jobs=lambda planner: [*arm_jobs(planner, (DEFAULT, *RIVAL_OF)), planner.speed],
    rows=lambda planner: [*arm_rows(planner, PART, tuple(RIVAL_OF), shown_too=False), *_speed_rows(planner)],
    text=_text,
)
