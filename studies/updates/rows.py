"""What the finished updates say: cells, rules, gains and scores of a method, all on one bootstrap of a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.artifacts import ModelCard
from hetvs.errors import ArtifactError
from hetvs.retrieval import updates
from hetvs.retrieval.intervals import Estimate, Sample, ratio
from studies.shared.contest import COMPARED
from studies.shared.methods import difference_of
from studies.shared.paired import Columns, Seed, paired, with_means
from studies.shared.rows import Origin, Row
from studies.shared.tables import Table, load
from studies.updates.plan import DEFAULT, FREE, PLAIN, Judged, Scenario
from studies.updates.tables import ALONE

NAME = "updates"
OLD = "old"
AHEAD = difference_of(DEFAULT, PLAIN)
Version = tuple[str, int]  # method, number
Key = tuple[str, Seed, int]  # method, seed, version


@dataclass(frozen=True)
class Measured:
    """A finished model with its MACs and its columns."""

    judged: Judged
    macs: int
    table: Table


def measured(models: Iterable[Judged]) -> list[Measured]:
    """Read what is finished."""
    done = [judged for judged in models if judged.columns.state() == "done"]
    return [Measured(j, ModelCard.load(j.train.output).macs, *load(j.columns.output).values()) for j in done]


def rows_of(found: Sequence[Measured], seeds: int, module: str) -> list[Row]:
    """Return the rows of every scenario; a method has a mean when all its `seeds` are there."""
    rows: list[Row] = []
    for scenario in dict.fromkeys(one.judged.scenario for one in found):
        mine = [one for one in found if one.judged.scenario == scenario]
        contest = Contest.of(scenario, mine, seeds)
        macs = {one.judged.method: one.macs for one in mine}
        command = f"python -m {module} --only {scenario.name}"
        origin = Origin(study=NAME, dataset="emoji", protocol=scenario.name, size="1", command=command)
        for method, seed, pair, metric, estimate in contest.estimates():
            rows.append(origin.row(method, seed, pair, metric, estimate, macs.get(method)))
    return rows


@dataclass(frozen=True)
class Contest:
    """All models of a scenario on the same draws of the same queries: every two numbers are paired."""

    scenario: Scenario
    samples: dict[Key, dict[str, Sample]]

    @classmethod
    def of(cls, scenario: Scenario, found: Sequence[Measured], seeds: int) -> Contest:
        """Put the columns side by side; ArtifactError when two models were judged on other queries."""
        first = found[0].table
        for one in found:
            if one.table.ids != first.ids:
                raise ArtifactError(f"{one.judged.columns.output}: judged on other queries; delete it and run again")
        columns: dict[tuple[Version, Seed], Columns] = {
            ((one.judged.method, one.judged.version), one.judged.seed): _compared(one.table) for one in found
        }
        samples = paired(with_means(columns, dict.fromkeys((version for version, _ in columns), seeds)), first.labels)
        return cls(scenario, {(method, seed, version): of for ((method, version), seed), of in samples.items()})

    def estimates(self) -> Iterator[tuple[str, Seed, str, str, Estimate]]:
        """Yield (method, seed, pair, metric, estimate) of everything that the finished models say."""
        for (method, seed, version), samples in self.samples.items():
            for metric in COMPARED:
                for gallery in (ALONE, *(str(number) for number in range(version))):
                    if f"{gallery}/{metric}" in samples:
                        pair = f"{version},{version if gallery == ALONE else gallery}"
                        yield method, seed, pair, metric, samples[f"{gallery}/{metric}"].estimate()
                if method not in (OLD, FREE):
                    yield from self._compared(method, seed, version, metric)

    def _compared(
        self, method: str, seed: Seed, version: int, metric: str
    ) -> Iterator[tuple[str, Seed, str, str, Estimate]]:
        """Yield the rules of a version; of an update what it is worth, of the last link of a chain AC and AM."""
        chain = self._chain(method, seed, version)
        if chain is None:
            return
        new = chain[-1]
        for older in range(version):
            rule = updates.backward_rule(new[f"{older}/{metric}"], chain[older][f"{ALONE}/{metric}"])
            yield method, seed, f"{version},{older}", f"rule/{metric}", rule.difference
        free = self.samples.get((FREE, seed, version))
        if free is not None:
            for name, estimate in _worth(chain[0], new, free, metric).items():
                yield method, seed, f"{version},0", f"{name}/{metric}", estimate
            plain = self.samples.get((PLAIN, seed, version))
            if method == DEFAULT and plain is not None:
                ahead = new[f"0/{metric}"] - plain[f"0/{metric}"]
                room = free[f"{ALONE}/{metric}"] - chain[0][f"{ALONE}/{metric}"]
                yield AHEAD, seed, f"{version},0", f"gain/{metric}", ratio(ahead, room, updates.NOT_BETTER)
        if self.scenario.chain and version == len(self.scenario.versions) - 1:
            for name, estimate in _chain_figures(chain, metric).items():
                yield method, seed, "all", f"{name}/{metric}", estimate

    def _chain(self, method: str, seed: Seed, version: int) -> list[dict[str, Sample]] | None:
        """Return the samples of a version and of all before it; None when one is not finished."""
        keys = [(method if number else OLD, seed, number) for number in range(version + 1)]
        return [self.samples[key] for key in keys] if all(key in self.samples for key in keys) else None


def _worth(old: dict[str, Sample], new: dict[str, Sample], free: dict[str, Sample], metric: str) -> dict[str, Estimate]:
    alone = f"{ALONE}/{metric}"
    cells = updates.UpdateCells(
        new_new=new[alone], new_old=new[f"0/{metric}"], old_old=old[alone], free_free=free[alone]
    )
    scores = updates.scores([cells])
    return {
        "gain": updates.update_gain(cells.new_old, cells.old_old, cells.free_free),
        "cost": (cells.new_new - cells.free_free).estimate(),
        "p_up": scores.p_up,
        "p_comp": scores.p_comp,
        "p_1": scores.p_1,
    }


def _chain_figures(chain: Sequence[dict[str, Sample]], metric: str) -> dict[str, Estimate]:
    matrix_VV = np.zeros((len(chain), len(chain)))
    for t, samples in enumerate(chain):
        for s in range(t + 1):
            matrix_VV[t, s] = samples[f"{ALONE if s == t else s}/{metric}"].value
    return {
        "ac": Estimate(updates.compatibility(matrix_VV)),
        "am": Estimate(updates.average_of_chain(matrix_VV)),
    }


def _compared(table: Table) -> Columns:
    return {name: values for name, values in table.columns.items() if name.split("/")[1] in COMPARED}
