"""Finished models of one data set, put side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hetvs.artifacts import ModelCard
from hetvs.errors import ArtifactError
from hetvs.retrieval import flips
from hetvs.retrieval.intervals import Sample
from studies.shared.cases import Case, Model
from studies.shared.methods import CLOUD, role_of
from studies.shared.paired import Columns, Seed, paired, with_means
from studies.shared.tables import Table, load

COMPARED = ("recall@1", "map")  # the metrics of which rules, ratios and differences are made
RIGHT = f"recall@{flips.K}"
NFR = f"nfr@{flips.K}"


@dataclass(frozen=True)
class Measured:
    """A finished model: its case and seed, its card, and its columns by protocol."""

    case: Case
    seed: int
    card: ModelCard
    tables: dict[str, Table]


def measured(models: Iterable[Model]) -> list[Measured]:
    """Read what is finished."""
    done = [model for model in models if model.columns.state() == "done"]
    return [Measured(m.case, m.seed, ModelCard.load(m.train.output), load(m.columns.output)) for m in done]


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
        return cls(protocol, paired(with_means(columns, seeds), first.labels))


def _add_flips(columns: dict[tuple[Case, Seed], Columns]) -> None:
    """Give every student the queries that the cloud model gets right and it does not."""
    right = next(found[f"g,g/{RIGHT}"] for (case, _), found in columns.items() if case.method == CLOUD) > 0
    for key, found in columns.items():
        if role_of(key[0].method) == "student":
            flipped = flips.per_query(right, found[f"q,g/{RIGHT}"] > 0)["negative_flip"]
            columns[key] = {**found, f"q,g/{NFR}": flipped}
