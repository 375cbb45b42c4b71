"""A study: its cases, the jobs that they need, and the rows that the finished ones give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from hetvs.errors import ConfigError
from studies.compatibility.costs import cost_rows
from studies.compatibility.rows import Rows
from studies.shared.cases import Case, Dataset, Model, Places
from studies.shared.contest import Contest, Measured, measured
from studies.shared.jobs import Job, with_needs
from studies.shared.methods import BASELINE, CLOUD, role_of
from studies.shared.planner import Planner
from studies.shared.rows import Row

BRINGS_ROWS = ("columns", "bench")


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is compared: `cases` in the order in which they are run, `timed` those whose latency is measured.

    `module` is the one that runs it, `python -m MODULE`. The cloud model of every data set is a case of its own.
    """

    name: str
    module: str
    cases: tuple[Case, ...]
    timed: tuple[Case, ...]
    seeds: tuple[int, ...]
    places: Places

    @cached_property
    def planner(self) -> Planner:
        """What makes the jobs."""
        return Planner(self.places, self.seeds)

    @cached_property
    def planned(self) -> dict[Case, list[Model] | ConfigError]:
        """The models of every case, or why it cannot be planned (a recipe is missing, or wrong)."""

        def plan(case: Case) -> list[Model] | ConfigError:
            try:
                return self.planner.models(case)
            except ConfigError as error:
                return error

        return {case: plan(case) for case in self.cases}

    @cached_property
    def models(self) -> dict[Case, list[Model]]:
        """The models of the cases that can be planned."""
        return {case: models for case, models in self.planned.items() if isinstance(models, list)}

    @cached_property
    def unplanned(self) -> dict[str, str]:
        """Why each of the other cases is left out, by name."""
        return {case.name: str(error) for case, error in self.planned.items() if isinstance(error, ConfigError)}

    @cached_property
    def benches(self) -> dict[Case, Job]:
        """The job that times each of the timed cases that can be planned."""
        return {case: self.planner.bench(case) for case in self.timed if case in self.models}

    def jobs(self, only: Sequence[str] = ()) -> list[Job]:
        """Return every job in the order of the cases; with `only`, those of the cases that match a pattern.

        Such a case brings along what its rows are compared with: the cloud model and the baseline of its size.
        ConfigError when a pattern matches no case.
        """
        for pattern in only:
            if not any(fnmatchcase(case.name, pattern) for case in self.cases):
                raise ConfigError(f"--only {pattern!r} matches none of: {', '.join(c.name for c in self.cases)}")
        chosen = [case for case in self.models if not only or any(fnmatchcase(case.name, p) for p in only)]
        wanted = [self.models[case] for known in chosen for case in (*self._compared_with(known), known)]
        columns = [model.columns for models in wanted for model in models]
        return with_needs([*columns, *(self.benches[case] for case in chosen if case in self.benches)])

    def _compared_with(self, case: Case) -> list[Case]:
        if role_of(case.method) != "student":
            return []
        cases = (Case(case.dataset, "1", CLOUD), Case(case.dataset, case.size, BASELINE))
        return [other for other in cases if other in self.models]

    def rows(self) -> list[Row]:
        """Return the rows of everything that is finished; a data set without its cloud model has none yet."""
        finished = measured(model for models in self.models.values() for model in models)
        rows = [row for dataset in self._datasets() for row in self._judged(dataset, finished)]
        return sorted([*rows, *self._costs()], key=lambda row: row.key)

    def _costs(self) -> Iterator[Row]:
        """Yield what the first seed of each case costs; a variant of a data set has the networks of its family."""
        for case, (first, *_) in self.models.items():
            if first.columns.state() == "done" and not case.dataset.family:
                bench = self.benches.get(case)
                timed = bench.output / bench.kind.whole if bench and bench.state() == "done" else None
                yield from cost_rows(self.name, self.module, first, timed)

    def _datasets(self) -> Iterable[Dataset]:
        return dict.fromkeys(case.dataset for case in self.cases)

    def _judged(self, dataset: Dataset, finished: Sequence[Measured]) -> Iterable[Row]:
        mine = [m for m in finished if m.case.dataset == dataset]
        if not any(m.case.method == CLOUD for m in mine):
            return
        macs = {m.case: m.card.macs for m in mine}
        seeds = {case: len(models) for case, models in self.models.items()}
        for protocol in dataset.protocols:
            contest = Contest.of(protocol, mine, seeds)
            yield from Rows(self.name, self.module, contest, macs).all()
