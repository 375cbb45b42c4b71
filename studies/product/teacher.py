"""The part on teachers: a student that has nothing of its teacher but vectors, by image id."""

from __future__ import annotations

from hetvs.retrieval.words import metric_name
from studies.product.arms import arm_jobs, arm_rows, arm_table
from studies.product.parts import NOTHING, Found, Part, shown
from studies.product.plan import VECTORS
from studies.shared.contest import COMPARED
from studies.shared.methods import DEFAULT, difference_of

ALLOWED = 0.005  # of recall@1 and mAP, that vectors alone may cost


def _text(found: Found) -> list[str]:
    said = []
    for metric in COMPARED:
        row = found.get((difference_of(DEFAULT, VECTORS), "q,g", f"difference/{metric}"))
        if row and row.value is not None:
            met = "is met" if row.value <= ALLOWED else "is not met"
            loss = shown(found, (row.method, row.pair, row.metric), signed=True)
            said.append(
                f"{metric_name(metric)}: the run taught {loss} points better than its vectors alone; at most "
                f"{100 * ALLOWED:g} {met}."
            )
    return [*said, arm_table(found, (VECTORS,))] if said else [NOTHING]


ANY_TEACHER = Part(
    name="teacher",
    title="A teacher that is nothing but vectors",
    jobs=lambda planner: arm_jobs(planner, (DEFAULT, VECTORS)),
    rows=lambda planner: arm_rows(planner, "teacher", (VECTORS,), shown_too=True),
    text=_text,
)
