"""Does it pay to search the architecture by M(q,g), and does the supernet's winner need no training of its own?

Emoji, one supernet a mode, three seeds of search and training: winners under R1, R2 and R3 as published, the anchored
front, a random architecture, two scaled backbones and the hand-picked student of the study of compatibility.
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
from studies.search_page import page
from studies.search_plan import NAME, SearchPlanner
from studies.search_rows import rows_of
from studies.study import states

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
PAGE = "results-search.md"
BRINGS_ROWS = ("columns", "latency", "proxy", "front", "search")


def run(planner: SearchPlanner, docs: Path, *, workers: int, threads: int) -> int:
    """Run what is left, write rows and page after each job that brings some; 0 when every job is done, else 1."""
    jobs = with_needs(planner.wanted())

    def refresh() -> None:
        rows = rows_of(planner, MODULE)
        if rows:
            replace_rows(docs / "results.json", NAME, rows)
            write_text(docs / PAGE, page(rows))

    def on_done(job: Job) -> None:
        if job.kind.name in BRINGS_ROWS:
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
    """Search, train, judge and compare; a killed study goes on where it was when it is started again."""
    try:
        planner = SearchPlanner(Places(home=home, recipes=docs / "recipes"), SEEDS)
        if dry_run:
            click.echo("\n".join(states(with_needs(planner.wanted()))))
            return
        sys.exit(run(planner, docs, workers=jobs, threads=threads))
    except HetvsError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
