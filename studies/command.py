"""What the commands of all studies share: their options, and running what is left while rows are written."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from hetvs.errors import HetvsError
from studies.jobs import Job
from studies.plan import Places
from studies.runner import Runner, say
from studies.study import states

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


def carry_out(
    go: Go, jobs: Sequence[Job], brings_rows: Callable[[Job], bool], refresh: Callable[[], None], page: Path
) -> NoReturn:
    """Print the plan, or run what is left and `refresh` after each job that brings rows; exit 1 when one failed."""
    if go.dry_run:
        click.echo("\n".join(states(jobs)))
        sys.exit(0)
    failures = Runner(list(jobs), go.jobs, go.threads, lambda job: refresh() if brings_rows(job) else None).run()
    refresh()
    for name, reason in failures.items():
        say(f"not done: {name}: {reason}")
    say(f"{sum(job.state() == 'done' for job in jobs)} of {len(jobs)} jobs are done; page: {page}")
    sys.exit(1 if failures else 0)
