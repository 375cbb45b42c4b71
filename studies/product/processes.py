"""The part on processes: torchrun's two train the student of one."""

from __future__ import annotations

from hetvs.retrieval.words import metric_name
from studies.compatibility.cases import SMALL_SIZE
from studies.product.arms import arm_jobs, arm_rows, arm_table
from studies.product.parts import NOTHING, Found, Part, shown
from studies.product.plan import PROCESSES
from studies.shared.contest import COMPARED
from studies.shared.methods import DEFAULT, difference_of

ALLOWED = 0.01  # of recall@1 and mAP, by which two processes may differ from one


def _text(found: Found) -> list[str]:
    said = []
    for metric in COMPARED:
        row = found.get((difference_of(DEFAULT, PROCESSES), "q,g", f"difference/{metric}"))
        if row and row.value is not None:
            met = "is met" if abs(row.value) <= ALLOWED else "is not met"
            apart = shown(found, (row.method, row.pair, row.metric), signed=True)
            said.append(
                f"{metric_name(metric)}: one process less two, {apart} points; at most {100 * ALLOWED:g} either way "
                f"{met}."
            )
    setting = f"The small chain (recipes `emoji-small-*`), its student at {SMALL_SIZE}, by torchrun with gloo."
    return [setting, *said, arm_table(found, (PROCESSES,))] if said else [NOTHING]


SEVERAL_PROCESSES = Part(
    name="processes",
    title="Two processes instead of one",
    jobs=lambda planner: arm_jobs(planner.of_small, (DEFAULT, PROCESSES)),
    rows=lambda planner: arm_rows(planner.of_small, "processes", (PROCESSES,), shown_too=False),
    text=_text,
    size=SMALL_SIZE,
)
