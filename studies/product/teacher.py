"""The parts on teachers: a student that has nothing of its teacher but vectors, of whole images or of its views."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hetvs.retrieval.words import metric_name
from studies.compatibility.cases import SMALL_SIZE
from studies.product.arms import arm_jobs, arm_rows, arm_table
from studies.product.parts import NOTHING, Found, Part, shown
from studies.product.plan import VECTORS, VIEWS
from studies.shared.contest import COMPARED
from studies.shared.methods import DEFAULT, difference_of

ALLOWED = 0.005  # of recall@1 and mAP, that vectors alone may cost


def _text(claimed: str, methods: Sequence[str], setting: str = "") -> Callable[[Found], list[str]]:
    """Return what says whether the vectors of `claimed` cost no more than is allowed, then a line per student."""

    def text(found: Found) -> list[str]:
        said = []
        for metric in COMPARED:
            row = found.get((difference_of(DEFAULT, claimed), "q,g", f"difference/{metric}"))
            if row and row.value is not None:
                met = "is met" if row.value <= ALLOWED else "is not met"
                loss = shown(found, (row.method, row.pair, row.metric), signed=True)
                said.append(
                    f"{metric_name(metric)}: the run taught {loss} points better than {_NAMED[claimed]}; at most "
                    f"{100 * ALLOWED:g} {met}."
                )
        return [*([setting] if setting else []), *said, arm_table(found, methods)] if said else [NOTHING]

    return text


_NAMED = {VECTORS: "its vectors alone", VIEWS: "its vectors of the same views, written as images"}

ANY_TEACHER = Part(
    name="teacher",
    title="A teacher that is nothing but vectors",
    jobs=lambda planner: arm_jobs(planner, (DEFAULT, VECTORS)),
    rows=lambda planner: arm_rows(planner, "teacher", (VECTORS,), shown_too=True),
    text=_text(VECTORS, (VECTORS,)),
)
SEEN_VIEWS = Part(
    name="views",
    title="A teacher elsewhere that is shown the views",
    jobs=lambda planner: arm_jobs(planner.of_small, (DEFAULT, VECTORS, VIEWS)),
    rows=lambda planner: arm_rows(planner.of_small, "views", (VECTORS, VIEWS), shown_too=True),
    text=_text(VIEWS, (VECTORS, VIEWS), f"The small chain (recipes `emoji-small-*`), its student at {SMALL_SIZE}."),
    size=SMALL_SIZE,
)
