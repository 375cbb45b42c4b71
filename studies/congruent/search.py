"""Flips of search: what a focal weight saves when a small model asks the cloud's gallery.

The cloud model and its students are those of the small chain: the default loss, and the same with a focal weight.
"""

from __future__ import annotations

from collections.abc import Sequence

from hetvs.retrieval.words import metric_name, percent
from studies.compatibility.cases import SMALL, SMALL_SIZE
from studies.shared.cases import Case, Dataset, Model
from studies.shared.contest import NFR, Contest, measured
from studies.shared.methods import CLOUD, DEFAULT, difference_of
from studies.shared.planner import Planner
from studies.shared.rows import MEAN, Origin, Row

FOCUSED = "default + focal"
SAVED = difference_of(FOCUSED, DEFAULT)
METRICS = (NFR, "map")
PAIR = "q,g"


def cases_of(dataset: Dataset) -> tuple[Case, Case, Case]:
    """Return the cloud model, the default student and the focal one."""
    return Case(dataset, "1", CLOUD), Case(dataset, SMALL_SIZE, DEFAULT), Case(dataset, SMALL_SIZE, FOCUSED)


def search_models(planner: Planner, dataset: Dataset = SMALL) -> list[Model]:
    """Return what is trained and judged, a model per case and seed."""
    return [model for case in cases_of(dataset) for model in planner.models(case)]


def search_rows(study: str, module: str, planner: Planner, dataset: Dataset = SMALL) -> list[Row]:
    """Return NFR and mAP of the focal student less those of the default, where both and the cloud model are finished.

    Per seed, and the mean over the seeds; cloud/cloud -> edge/cloud under the first protocol of the data set.
    """
    cases, protocol = cases_of(dataset), dataset.protocols[0]
    finished = measured(search_models(planner, dataset))
    if {one.case for one in finished} != set(cases):
        return []
    contest = Contest.of(protocol, finished, {case: len(planner.models(case)) for case in cases})
    _, default, focused = cases
    macs = next(m.card.macs for m in finished if m.case == focused)
    command = f"python -m {module}"
    origin = Origin(study=study, dataset=dataset.known_as, protocol=protocol, size=SMALL_SIZE, command=command)
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
