"""What the finished updates say: rates with intervals over the images, and how far each is below no treatment."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetvs.artifacts import ModelCard
from hetvs.retrieval import flips
from hetvs.retrieval.intervals import Estimate, Sample, ratio
from studies.congruent.plan import NONE, PARAGON, Update
from studies.shared.paired import Columns, Seed, paired, with_means
from studies.shared.rows import Origin, Row

NAME = "congruent"
RATES = {"accuracy": "new_right", "nfr": "negative_flip", "pfr": "positive_flip"}
KEPT, SAVED = "difference/accuracy", "reduction/nfr"  # against no treatment, on the same images
UNTREATED = "there are no negative flips without treatment"
Samples = dict[tuple[str, Seed], dict[str, Sample]]


@dataclass(frozen=True)
class Judged:
    """A finished update: MACs of the new model, and its columns (n,) by name, see `flips.per_query`."""

    update: Update
    macs: int
    ids: tuple[str, ...]
    columns: dict[str, np.ndarray]


def judged(updates: Iterable[Update]) -> list[Judged]:
    """Read what is finished."""
    done = [update for update in updates if update.comparison.state() == "done"]
    return [Judged(u, ModelCard.load(u.new.output).macs, *_columns(u.comparison.output)) for u in done]


def rows_of(found: Sequence[Judged], seeds: int, module: str) -> list[Row]:
    """Return the rows of every scenario; a method has a mean when all its seeds are there (an ensemble has one)."""
    rows: list[Row] = []
    for scenario in dict.fromkeys(one.update.scenario for one in found):
        mine = [one for one in found if one.update.scenario == scenario]
        macs = {one.update.method: one.macs for one in mine}
        drawn = _samples(mine, seeds)
        origin = Origin(study=NAME, dataset="fashion-mnist", protocol=scenario, size="1", command=f"python -m {module}")
        for (method, seed), samples in drawn.items():
            for metric, estimate in _estimates(samples, None if method == NONE else drawn.get((NONE, seed))):
                rows.append(origin.row(method, seed, "old,new", metric, estimate, macs[method]))
    return rows


def _columns(folder: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    with (folder / "answers.csv").open(encoding="utf-8", newline="") as stream:
        answers = list(csv.DictReader(stream))
    old, new = (np.array([row[side] == row["label"] for row in answers]) for side in ("old", "new"))
    return tuple(row["id"] for row in answers), flips.per_query(old, new)


def _samples(found: Sequence[Judged], seeds: int) -> Samples:
    """Return the means of every column of a scenario, on one bootstrap of the images: every two are paired."""
    columns: dict[tuple[str, Seed], Columns] = {(o.update.method, o.update.seed): o.columns for o in found}
    wanted = {method: 1 if method == PARAGON else seeds for method, _ in columns}
    return paired(with_means(columns, wanted), np.array(found[0].ids))


def _estimates(samples: dict[str, Sample], untreated: dict[str, Sample] | None) -> Iterator[tuple[str, Estimate]]:
    for metric, column in RATES.items():
        yield metric, samples[column].estimate()
    by_chance = samples["reference_right"] * samples["new_wrong"]
    yield "relative_nfr", ratio(samples["negative_flip"], by_chance, "the old model is never right")
    if untreated is not None:
        yield KEPT, (samples["new_right"] - untreated["new_right"]).estimate()
        saved = untreated["negative_flip"] - samples["negative_flip"]
        yield SAVED, ratio(saved, untreated["negative_flip"], UNTREATED)
