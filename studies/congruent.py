"""Does an update keep right what the old model had right, and what does that cost?

Classifiers of Fashion-MNIST, from five classes to ten and from ten to the same ten, by every treatment, three seeds;
the flips of search are those of two students of the study of compatibility, once it has them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hetvs.errors import HetvsError
from hetvs.files import write_text
from studies.congruent_plan import CongruentPlanner
from studies.congruent_rows import NAME, judged, page, rows_of
from studies.congruent_search import search_rows, search_sentences
from studies.jobs import Job, with_needs
from studies.plan import Places
from studies.rows import replace_rows
from studies.runner import Runner, say
from studies.study import states

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
PAGE = "results-congruent.md"


def run(planner: CongruentPlanner, docs: Path, *, workers: int, threads: int) -> int:
    """Run what is left, write rows and page after each comparison; 0 when every job is done, else 1."""
    updates = planner.updates()
    jobs = with_needs(update.comparison for update in updates)

    def refresh() -> None:
        rows = rows_of(judged(updates), len(planner.seeds), MODULE)
        search = search_rows(NAME, MODULE, planner.places)
        if rows:
            replace_rows(docs / "results.json", NAME, [*rows, *search])
            write_text(docs / PAGE, page(rows, search_sentences(search)))

    def on_done(job: Job) -> None:
        if job.kind.name == "comparison":
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
    """Train, compare and count flips; a killed study goes on where it was when it is started again."""
    planner = CongruentPlanner(Places(home=home, recipes=docs / "recipes"), SEEDS)
    try:
        if dry_run:
            click.echo("\n".join(states(with_needs(update.comparison for update in planner.updates()))))
            return
        sys.exit(run(planner, docs, workers=jobs, threads=threads))
    except HetvsError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
