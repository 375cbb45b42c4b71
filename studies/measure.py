"""From the columns of finished models to rows: means over seeds, intervals, and everything that compares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.artifacts import ModelCard
from hetvs.config import EvaluateConfig
from hetvs.errors import ArtifactError
from hetvs.retrieval import flips, rules
from hetvs.retrieval.intervals import Estimate, Sample, bootstrap, choose_unit
from studies.columns import Table
from studies.methods import BASELINE, BEHIND, CLOUD, DEFAULT, LEAD, difference_of, role_of
from studies.plan import Case
from studies.rows import MEAN, Row, rounded

JUDGE = EvaluateConfig()
COMPARED = ("recall@1", "map")  # the metrics of which rules, ratios and differences are made
RIGHT = f"recall@{flips.K}"
NFR = f"nfr@{flips.K}"

Seed = int | str  # of a model, or MEAN
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Measured:
    """A finished model: its case and seed, its card, and its columns by protocol."""

    case: Case
    seed: int
    card: ModelCard
    tables: dict[str, Table]


@dataclass(frozen=True)
class Contest:
    """All models of one data set under one protocol, on one bootstrap: every two numbers are paired.

    `samples` are by case and seed ("mean" where every seed is there), then by column, "q,g/map".
    """

    protocol: str
    samples: dict[tuple[Case, Seed], dict[str, Sample]]

    @classmethod
    def of(cls, protocol: str, models: Sequence[Measured], seeds: dict[Case, int]) -> Contest:
        """Put the columns of `models` side by side; `seeds` is the number of seeds that a case is to have.

        The value per query of a case is the mean over its seeds. ArtifactError when two models were
        judged on other queries.
        """
        first = models[0].tables[protocol]
        for model in models:
            if model.tables[protocol].ids != first.ids:
                raise ArtifactError(f"{model.case.name}: judged on other queries than {models[0].case.name}")
        columns: dict[tuple[Case, Seed], Columns] = {(m.case, m.seed): m.tables[protocol].columns for m in models}
        _add_flips(columns)
        for case in dict.fromkeys(m.case for m in models):
            alike = [found for (other, _), found in columns.items() if other == case]
            if len(alike) == seeds[case]:
                columns[case, MEAN] = {name: np.mean([found[name] for found in alike], axis=0) for name in alike[0]}
        return cls(protocol, _samples(columns, first.labels))


def _add_flips(columns: dict[tuple[Case, Seed], Columns]) -> None:
    """Give every student the queries that the cloud model gets right and it does not."""
    right = next(found[f"g,g/{RIGHT}"] for (case, _), found in columns.items() if case.method == CLOUD) > 0
    for key, found in columns.items():
        if role_of(key[0].method) == "student":
            flipped = flips.per_query(right, found[f"q,g/{RIGHT}"] > 0)["negative_flip"]
            columns[key] = {**found, f"q,g/{NFR}": flipped}


def _samples(
    columns: dict[tuple[Case, Seed], Columns], labels: np.ndarray
) -> dict[tuple[Case, Seed], dict[str, Sample]]:
    keys = [(key, name) for key, found in columns.items() for name in found]
    values_MC = np.column_stack([columns[key][name] for key, name in keys])
    unit = choose_unit(JUDGE.resample, len(values_MC), len(np.unique(labels)))
    drawn = bootstrap(values_MC, labels, unit=unit, draws=JUDGE.draws, seed=JUDGE.seed)
    samples: dict[tuple[Case, Seed], dict[str, Sample]] = {key: {} for key in columns}
    for (key, name), sample in zip(keys, drawn, strict=True):
        samples[key][name] = sample
    return samples


@dataclass(frozen=True)
class Rows:
    """Makes the rows of a contest; `study` and `command` (of a case) are what a row says of its origin."""

    study: str
    module: str
    contest: Contest
    macs: dict[Case, int]

    def all(self) -> Iterator[Row]:
        """Yield every row: columns as they are, what compares cells, what compares the default with a method."""
        for (case, seed), samples in self.contest.samples.items():
            estimates = {name: sample.estimate() for name, sample in samples.items()}
            if role_of(case.method) == "student":
                estimates |= self._compared(case, seed)
            for name, estimate in estimates.items():
                yield self._row(case, case.method, seed, name, estimate)
            yield from self._differences(case, seed)
            yield from self._from_paragon(case, seed)

    def _compared(self, case: Case, seed: Seed) -> dict[str, Estimate]:
        """Return rule, retention and recovery of a student."""
        samples, cloud, baseline = (self._of(case, method, seed) for method in (case.method, CLOUD, BASELINE))
        found = {}
        for metric in COMPARED:
            q_g, g_g = samples[f"q,g/{metric}"], cloud[f"g,g/{metric}"]
            found[f"q,g/rule/{metric}"] = rules.heterogeneous_rule(q_g, samples[f"q,q/{metric}"]).difference
            found[f"q,g/retention/{metric}"] = rules.retention(q_g, g_g)
            if baseline:
                found[f"q,g/recovery/{metric}"] = rules.recovery(q_g, baseline[f"base,base/{metric}"], g_g)
        return found

    def _differences(self, case: Case, seed: Seed) -> Iterator[Row]:
        """Yield M(q,g) of the default less that of another student of its size."""
        default = self._of(case, DEFAULT, seed)
        if case.method == DEFAULT or role_of(case.method) != "student" or not default:
            return
        for metric in COMPARED:
            name = f"q,g/{metric}"
            difference = default[name] - self.contest.samples[case, seed][name]
            method = difference_of(DEFAULT, case.method)
            yield self._row(case, method, seed, f"q,g/difference/{metric}", difference.estimate())

    def _from_paragon(self, case: Case, seed: Seed) -> Iterator[Row]:
        """Yield M(q,g) of the default less the paragon, and the paragon less M(base,base)."""
        if case.method not in (DEFAULT, BASELINE):
            return
        samples, cloud = self.contest.samples[case, seed], self._of(case, CLOUD, seed)
        for metric in COMPARED:
            paragon = cloud[f"g,g/{metric}"]
            if case.method == DEFAULT:
                pair, method, difference = "q,g", BEHIND, samples[f"q,g/{metric}"] - paragon
            else:
                pair, method, difference = "base,base", LEAD, paragon - samples[f"base,base/{metric}"]
            yield self._row(case, method, seed, f"{pair}/difference/{metric}", difference.estimate())

    def _of(self, case: Case, method: str, seed: Seed) -> dict[str, Sample]:
        """Return the samples of a method at the size of `case`, of the one cloud model; none where it is not done."""
        if method == CLOUD:
            return self.contest.samples[Case(case.dataset, "1", CLOUD), MEAN]
        return self.contest.samples.get((Case(case.dataset, case.size, method), seed), {})

    def _row(self, case: Case, method: str, seed: Seed, name: str, estimate: Estimate) -> Row:
        pair, metric = name.split("/", 1)
        return Row(
            study=self.study,
            dataset=case.dataset.known_as,
            protocol=self.contest.protocol,
            method=method,
            size=case.size,
            macs=self.macs[case],
            seed=seed,
            metric=metric,
            pair=pair,
            command=command_of(self.module, case),
            **rounded(estimate),
        )


def command_of(module: str, case: Case) -> str:
    """Return the command that makes the rows of a case again."""
    return f"python -m {module} --only {case.name}"
