"""What the commands of all studies share: their options, and running what is left while rows are written."""

from __future__ import annotations

import functools
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import click

from hetvs.errors import HetvsError
from studies.shared.cases import Places
from studies.shared.jobs import Job
from studies.shared.rows import Row, merge_rows
from studies.shared.runner import Runner, say

Command = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Go:
    """How a study is run this time; `dry_run` prints the plan and stops."""

    dry_run: bool
    jobs: int
    threads: int
    home: Path
    docs: Path

    @property
    def places(self) -> Places:
        """Where runs go and recipes lie."""
        return Places(home=self.home, recipes=self.docs / "recipes")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a study writes: `rows` are those of all that is finished here, `show` writes its page of all its rows.

    `kinds` are those of the jobs that bring rows; `unplanned` says of what cannot be planned why.
    """

    study: str
    kinds: tuple[str, ...]
    rows: Callable[[], Sequence[Row]]
    show: Callable[[Path, Sequence[Row]], object]
    unplanned: Mapping[str, str] = field(default_factory=dict)

    def refresh(self, docs: Path) -> None:
        """Write DOCS/results.json and the page, once there are rows."""
        rows = self.rows()
        if rows:
            self.show(docs, merge_rows(docs / "results.json", self.study, rows))


def study_command(home: str = "runs/reproduce") -> Callable[[Command], click.Command]:
    """Make a function the command of a study: it receives `go: Go`, and an error of ours is one line."""

    def decorate(function: Command) -> click.Command:
        @functools.wraps(function)
        def run(dry_run: bool, jobs: int, threads: int, home: Path, docs: Path, **more: Any) -> None:
            try:
                function(go=Go(dry_run=dry_run, jobs=jobs, threads=threads, home=home, docs=docs), **more)
            except HetvsError as error:
                raise click.ClickException(str(error)) from error

        counted, folder = click.IntRange(min=1), click.Path(path_type=Path)
        for option in (
            click.option("--docs", default="docs", type=folder, help="Where results and recipes lie."),
            click.option("--home", default=home, type=folder, help="Where the runs go."),
            click.option("--threads", default=1, type=counted, help="CPU threads of a job.  [default: 1]"),
            click.option("--jobs", default=2, type=counted, help="Jobs at a time.  [default: 2]"),
            click.option("--dry-run", is_flag=True, help="Print the plan, with what is done, and stop."),
        ):
            run = option(run)
        return click.command()(run)

    return decorate


def carry_out(go: Go, jobs: Sequence[Job], report: Report) -> NoReturn:
    """Print the plan, or run what is left and write the rows after each job that brings some.

    Exits with 0 when every job is done, with 1 when one failed: it is said, and only what needs it is left out.
    """
    if go.dry_run:
        click.echo("\n".join(plan(jobs, report.unplanned)))
        sys.exit(0)

    def on_done(job: Job) -> None:
        if job.kind.name in report.kinds:
            try:
                report.refresh(go.docs)
            except HetvsError as error:  # the other jobs go on; at the end it is raised
                say(f"rows not written: {error}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the children too
    failures = Runner(jobs, go.jobs, go.threads, on_done).run() | dict(report.unplanned)
    report.refresh(go.docs)
    for name, reason in failures.items():
        say(f"not done: {name}: {reason}")
    say(f"{sum(job.state() == 'done' for job in jobs)} of {len(jobs)} jobs are done; rows: {go.docs / 'results.json'}")
    sys.exit(1 if failures else 0)


def plan(jobs: Iterable[Job], unplanned: Mapping[str, str]) -> list[str]:
    """Return each job's state, name and command, then what cannot be planned."""
    states = [f"{job.state():5} {job.name}\n      {shlex.join(job.words)}" for job in jobs]
    return [*states, *(f"left out: {name}: {reason}" for name, reason in unplanned.items())]
