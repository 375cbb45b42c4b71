"""Flips of search: what a focal weight saves when a small model asks the cloud's gallery.

Nothing is trained here: the default student and the one with a focal weight are cases of the study of compatibility.
"""

from __future__ import annotations

from collections.abc import Sequence

from hetvs.retrieval.words import metric_name, percent
from studies.compatibility.cases import ABLATED, EMOJI
from studies.compatibility.cases import SEEDS as STUDENT_SEEDS
from studies.shared.cases import Case, Dataset, Places
from studies.shared.contest import NFR, Contest, measured
from studies.shared.methods import CLOUD, DEFAULT, difference_of
from studies.shared.planner import Planner
from studies.shared.rows import MEAN, Origin, Row

FOCUSED = "default + focal"
SAVED = difference_of(FOCUSED, DEFAULT)
METRICS = (NFR, "map")
PAIR = "q,g"


def search_rows(
    study: str, module: str, places: Places, dataset: Dataset = EMOJI, seeds: Sequence[int] = STUDENT_SEEDS
) -> list[Row]:
    """Return NFR and mAP of the focal student less those of the default, where both and the cloud model are finished.

    Per seed, and the mean over the seeds; cloud/cloud -> edge/cloud under the first protocol of the data set.
    """
    planner, protocol = Planner(places, tuple(seeds)), dataset.protocols[0]
    cases = (Case(dataset, "1", CLOUD), *(Case(dataset, ABLATED, method) for method in (DEFAULT, FOCUSED)))
    finished = measured(model for case in cases for model in planner.models(case))
    if {one.case for one in finished} != set(cases):
        return []
    contest = Contest.of(protocol, finished, {case: len(planner.models(case)) for case in cases})
    focused, default = cases[2], cases[1]
    macs = next(m.card.macs for m in finished if m.case == focused)
    command = f"python -m {module}"
    origin = Origin(study=study, dataset=dataset.known_as, protocol=protocol, size=ABLATED, command=command)
    rows = []
    for (case, seed), samples in contest.samples.items():
        if case == focused and (default, seed) in contest.samples:
            for name in METRICS:
                saved = samples[f"{PAIR}/{name}"] - contest.samples[default, seed][f"{PAIR}/{name}"]
                rows.append(origin.row(SAVED, seed, PAIR, f"difference/{name}", saved.estimate(), macs))
    return rows


def search_sentences(rows: Sequence[Row]) -> list[str]:
    """Say what the focal weight changes, metric by metric; rows of a mean alone."""
    return [
        f"Less the default, the focal student has {percent(row.estimate, signed=True)} "
        f"points of {metric_name(row.metric.partition('/')[2])} ({row.dataset}, protocol {row.protocol}, {row.size})."
        for row in rows
        if row.method == SAVED and row.seed == MEAN
    ]
