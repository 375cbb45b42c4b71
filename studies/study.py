"""A study: its cases, the jobs that they need, and the rows that the finished ones give."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from hetvs.artifacts import ModelCard
from hetvs.errors import ConfigError, HetvsError
from studies.columns import load
from studies.costs import cost_rows
from studies.jobs import Job, with_needs
from studies.measure import Contest, Measured, Rows
from studies.methods import BASELINE, CLOUD, role_of
from studies.plan import Case, Dataset, Model, Places, Planner
from studies.rows import Row, replace_rows
from studies.runner import Runner, say


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
        """Return the rows of everything that is finished; a data set without its cloud model has none yet.

        A variant of a data set has the networks of its family, and so no costs of its own.
        """
        finished = [m for models in self.models.values() for m in models if m.columns.state() == "done"]
        measured = [Measured(m.case, m.seed, ModelCard.load(m.train.output), load(m.columns.output)) for m in finished]
        rows = [row for dataset in self._datasets() for row in self._judged(dataset, measured)]
        for model in finished:
            if model is self.models[model.case][0] and not model.case.dataset.family:
                bench = self.benches.get(model.case)
                timed = bench.output / bench.kind.whole if bench and bench.state() == "done" else None
                rows += cost_rows(self.name, self.module, model, timed)
        return rows

    def _datasets(self) -> Iterable[Dataset]:
        return dict.fromkeys(case.dataset for case in self.cases)

    def _judged(self, dataset: Dataset, measured: Sequence[Measured]) -> Iterable[Row]:
        mine = [m for m in measured if m.case.dataset == dataset]
        if not any(m.case.method == CLOUD for m in mine):
            return
        macs = {m.case: m.card.macs for m in mine}
        seeds = {case: len(models) for case, models in self.models.items()}
        for protocol in dataset.protocols:
            contest = Contest.of(protocol, mine, seeds)
            yield from Rows(self.name, self.module, contest, macs).all()


def run_study(
    study: Study, results: Path, jobs: Sequence[Job], *, workers: int, threads: int, show: Callable[[list[Row]], None]
) -> int:
    """Run `jobs`, write the rows after each one that brings some and `show` them; return the exit code.

    0 when every job is done, 1 when one failed: it is reported, and only what needs it is left out.
    """

    def refresh() -> None:
        show(replace_rows(results, study.name, study.rows()))

    def on_done(job: Job) -> None:
        if job.kind.name in ("columns", "bench"):
            try:
                refresh()
            except HetvsError as error:  # the other jobs go on; at the end it is raised
                say(f"rows not written: {error}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the children too
    failures = Runner(jobs, workers, threads, on_done).run()
    refresh()
    failures |= study.unplanned
    for name, reason in failures.items():
        say(f"not done: {name}: {reason}")
    say(f"{sum(job.state() == 'done' for job in jobs)} of {len(jobs)} jobs are done; rows: {results}")
    return 1 if failures else 0


def describe(study: Study, jobs: Sequence[Job]) -> str:
    """Return the plan: each job's state, name and command, then the cases that cannot be planned."""
    return "\n".join([*states(jobs), *(f"left out: {name}: {reason}" for name, reason in study.unplanned.items())])


def states(jobs: Iterable[Job]) -> list[str]:
    """Return each job's state, name and command."""
    return [f"{job.state():5} {job.name}\n      {shlex.join(job.words)}" for job in jobs]
