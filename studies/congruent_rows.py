"""What the finished updates say: rates with intervals over the images, and how far each is below no treatment."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetvs.artifacts import ModelCard
from hetvs.config import CompareConfig
from hetvs.retrieval import flips
from hetvs.retrieval.intervals import Estimate, Sample, bootstrap, ratio
from hetvs.retrieval.rules import verdict
from hetvs.retrieval.words import percent
from studies.congruent_plan import METHODS, NONE, PARAGON, Update
from studies.page import markdown_table
from studies.rows import MEAN, Row, rounded

NAME = "congruent"
JUDGE = CompareConfig()
RATES = {"accuracy": "new_right", "nfr": "negative_flip", "pfr": "positive_flip"}
KEPT, SAVED = "difference/accuracy", "reduction/nfr"  # against no treatment, on the same images
ENOUGH, ALLOWED = 0.5, 0.003  # the claim: half of the NFR, at 0.3 points of accuracy
UNTREATED = "there are no negative flips without treatment"
Seed = int | str
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
        for (method, seed), samples in drawn.items():
            for metric, estimate in _estimates(samples, None if method == NONE else drawn.get((NONE, seed))):
                rows.append(
                    Row(
                        study=NAME,
                        dataset="fashion-mnist",
                        protocol=scenario,
                        method=method,
                        size="1",
                        macs=macs[method],
                        seed=seed,
                        metric=metric,
                        pair="old,new",
                        command=f"python -m {module}",
                        **rounded(estimate),
                    )
                )
    return rows


def _columns(folder: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    with (folder / "answers.csv").open(encoding="utf-8", newline="") as stream:
        answers = list(csv.DictReader(stream))
    old, new = (np.array([row[side] == row["label"] for row in answers]) for side in ("old", "new"))
    return tuple(row["id"] for row in answers), flips.per_query(old, new)


def _samples(found: Sequence[Judged], seeds: int) -> Samples:
    """Return the means of every column of a scenario, on one bootstrap of the images: every two are paired."""
    columns: dict[tuple[str, Seed], dict[str, np.ndarray]] = {
        (o.update.method, o.update.seed): o.columns for o in found
    }
    for method in dict.fromkeys(o.update.method for o in found):
        alike = [o.columns for o in found if o.update.method == method]
        if len(alike) == (1 if method == PARAGON else seeds):
            columns[method, MEAN] = {name: np.mean([one[name] for one in alike], axis=0) for name in alike[0]}
    keys = [(key, name) for key, values in columns.items() for name in values]
    values_MC = np.column_stack([columns[key][name] for key, name in keys])
    drawn = bootstrap(values_MC, np.array(found[0].ids), unit="queries", draws=JUDGE.draws, seed=JUDGE.seed)
    samples: Samples = {key: {} for key in columns}
    for (key, name), sample in zip(keys, drawn, strict=True):
        samples[key][name] = sample
    return samples


def _estimates(samples: dict[str, Sample], untreated: dict[str, Sample] | None) -> Iterator[tuple[str, Estimate]]:
    for metric, column in RATES.items():
        yield metric, samples[column].estimate()
    by_chance = samples["reference_right"] * samples["new_wrong"]
    yield "relative_nfr", ratio(samples["negative_flip"], by_chance, "the old model is never right")
    if untreated is not None:
        yield KEPT, (samples["new_right"] - untreated["new_right"]).estimate()
        saved = untreated["negative_flip"] - samples["negative_flip"]
        yield SAVED, ratio(saved, untreated["negative_flip"], UNTREATED)


def page(rows: Sequence[Row], search: Sequence[str]) -> str:
    """Return the results as Markdown: a sentence a treatment, a table a scenario, then sentences on search."""
    found = {(row.protocol, row.method, row.metric): row for row in rows if row.seed == MEAN}
    parts = ["# Updates that keep right answers right", INTRODUCTION]
    for scenario in dict.fromkeys(row.protocol for row in rows):
        parts += [f"## {TITLES[scenario]}"]
        parts += [text for method in METHODS if (text := _sentence(found, scenario, method))]
        parts += [markdown_table(HEADER, [_line(found, scenario, m) for m in METHODS if (scenario, m, "nfr") in found])]
    if search:
        parts += ["## Search: cloud/cloud, then edge/cloud", *search]
    return "\n\n".join(parts) + "\n"


TITLES = {"growing": "Five classes, then ten", "same": "The same ten classes, trained again"}
HEADER = ["method", "accuracy", "less no treatment", "NFR", "PFR", "relative NFR", "NFR saved"]
INTRODUCTION = (
    "Written by `make reproduce-congruent` from [results.json](results.json). Test images of Fashion-MNIST, percent, "
    "means over the seeds, 95 % intervals of a bootstrap over the images. NFR: right for the old model and wrong for "
    "the new one. ELODI replaces both models; the ensembles are its references. NFR saved is 1 - NFR / NFR of no "
    "treatment."
)


def _line(found: dict[tuple[str, str, str], Row], scenario: str, method: str) -> list[str]:
    def shown(metric: str, *, signed: bool = False) -> str:
        row = found.get((scenario, method, metric))
        return percent(_estimate(row), signed=signed) if row else "–"

    rates = [shown(metric) for metric in ("nfr", "pfr", "relative_nfr", SAVED)]
    return [method, shown("accuracy"), shown(KEPT, signed=True), *rates]


def _sentence(found: dict[tuple[str, str, str], Row], scenario: str, method: str) -> str:
    """Say whether a treatment does what is claimed: half of the NFR saved, at 0.3 points of accuracy."""
    saved, kept = (found.get((scenario, method, metric)) for metric in (SAVED, KEPT))
    if not saved or not kept or saved.value is None or kept.value is None:
        return ""
    fewer = verdict(_estimate(saved))
    claim = saved.value >= ENOUGH and kept.value >= -ALLOWED
    said = {"holds": "lowers", "does not hold": "raises", "inconclusive": "may or may not lower"}[fewer]
    return (
        f"{method.capitalize()} {said} NFR (saved {percent(_estimate(saved))} %), accuracy "
        f"{percent(_estimate(kept), signed=True)} points: the claim {'is met' if claim else 'is not met'}."
    )


def _estimate(row: Row) -> Estimate:
    return Estimate(row.value, row.lower, row.upper)
