"""Does a new model search the old gallery better than the old one did, and what does staying compatible cost?

Emoji with more data, more classes and a larger backbone, by every method of `hetvs train-update`, against a free
new model; a chain of four versions. Three seeds of everything.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hetvs.errors import HetvsError
from hetvs.files import write_text
from studies.jobs import Job, with_needs
from studies.plan import Places
from studies.rows import replace_rows
from studies.runner import Runner, say
from studies.study import states
from studies.updates_page import page
from studies.updates_plan import SCENARIOS, UpdatePlanner
from studies.updates_rows import NAME, measured, rows_of

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
PAGE = "results-updates.md"


def run(planner: UpdatePlanner, docs: Path, only: tuple[str, ...], *, workers: int, threads: int) -> int:
    """Run what is left of the scenarios of `only`, write rows and page after each model; 0 when all is done, else 1."""
    jobs = with_needs(judged.columns for judged in planner.models(only))

    def refresh() -> None:
        rows = rows_of(measured(planner.models()), len(planner.seeds), MODULE)
        if rows:
            replace_rows(docs / "results.json", NAME, rows)
            write_text(docs / PAGE, page(rows, planner.scenarios))

    def on_done(job: Job) -> None:
        if job.kind.name == "columns":
            refresh()

    failures = Runner(jobs, workers, threads, on_done).run()
    refresh()
    for name, reason in failures.items():
        say(f"not done: {name}: {reason}")
    say(f"{sum(job.state() == 'done' for job in jobs)} of {len(jobs)} jobs are done; page: {docs / PAGE}")
    return 1 if failures else 0


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice([s.name for s in SCENARIOS]), help="Run this scenario alone; repeat."
)
@click.option("--dry-run", is_flag=True, help="Print the plan, with what is done, and stop.")
@click.option("--jobs", default=2, type=click.IntRange(min=1), help="Jobs at a time.  [default: 2]")
@click.option("--threads", default=1, type=click.IntRange(min=1), help="CPU threads of a job.  [default: 1]")
@click.option("--home", default="runs/reproduce", type=click.Path(path_type=Path), help="Where the runs go.")
@click.option("--docs", default="docs", type=click.Path(path_type=Path), help="Where results and recipes lie.")
def main(only: tuple[str, ...], dry_run: bool, jobs: int, threads: int, home: Path, docs: Path) -> None:
    """Train, judge and compare; a killed study goes on where it was when it is started again."""
    planner = UpdatePlanner(Places(home=home, recipes=docs / "recipes"), SEEDS)
    try:
        if dry_run:
            click.echo("\n".join(states(with_needs(judged.columns for judged in planner.models(only)))))
            return
        sys.exit(run(planner, docs, only, workers=jobs, threads=threads))
    except HetvsError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
