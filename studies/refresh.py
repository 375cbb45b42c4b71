"""How well is a gallery searched while it is refreshed, in which order, and do its clusters survive?

Emoji, the old model with the images of three vendors, the new one with those of all: tied to the old space by
three methods, or free with a learned map. The models are those of the study of updates. Three seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hetvs.errors import HetvsError
from hetvs.files import write_text
from studies.jobs import Job, with_needs
from studies.plan import Places
from studies.refresh_page import page
from studies.refresh_plan import RefreshPlanner
from studies.refresh_rows import NAME, measured, rows_of
from studies.rows import replace_rows
from studies.runner import Runner, say
from studies.study import states
from studies.updates_plan import UpdatePlanner

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
PAGE = "results-refresh.md"


def jobs_of(planner: RefreshPlanner) -> list[Job]:
    """Return every job with all that it needs, what is needed first."""
    return with_needs(job for case in planner.cases() for job in (case.columns, case.clusters))


def run(planner: RefreshPlanner, docs: Path, *, workers: int, threads: int) -> int:
    """Run what is left, write rows and page after each refresh; return 0 when all is done, else 1."""
    jobs = jobs_of(planner)

    def refresh() -> None:
        rows = rows_of(measured(planner.cases()), len(planner.updates.seeds), MODULE)
        if rows:
            replace_rows(docs / "results.json", NAME, rows)
            write_text(docs / PAGE, page(rows))

    def on_done(job: Job) -> None:
        if job.kind.name in ("columns", "clusters"):
            refresh()

    failures = Runner(jobs, workers, threads, on_done).run()
    refresh()
    for name, reason in failures.items():
        say(f"not done: {name}: {reason}")
    say(f"{sum(job.state() == 'done' for job in jobs)} of {len(jobs)} jobs are done; page: {docs / PAGE}")
    return 1 if failures else 0


@click.command()
@click.option("--dry-run", is_flag=True, help="Print the plan, with what is done, and stop.")
@click.option("--jobs", default=2, type=click.IntRange(min=1), help="Jobs at a time.  [default: 2]")
@click.option("--threads", default=1, type=click.IntRange(min=1), help="CPU threads of a job.  [default: 1]")
@click.option("--home", default="runs/reproduce", type=click.Path(path_type=Path), help="Where the runs go.")
@click.option("--docs", default="docs", type=click.Path(path_type=Path), help="Where results and recipes lie.")
def main(dry_run: bool, jobs: int, threads: int, home: Path, docs: Path) -> None:
    """Train, refresh and judge; a killed study goes on where it was when it is started again."""
    planner = RefreshPlanner(UpdatePlanner(Places(home=home, recipes=docs / "recipes"), SEEDS))
    try:
        if dry_run:
            click.echo("\n".join(states(jobs_of(planner))))
            return
        sys.exit(run(planner, docs, workers=jobs, threads=threads))
    except HetvsError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
