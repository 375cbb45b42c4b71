"""Does a new model search the old gallery better than the old one did, and what does staying compatible cost?

Emoji with more data, more classes and a larger backbone, by every method of `hetvs train-update`, against a free
new model; a chain of four versions. Three seeds of everything.
"""

from __future__ import annotations

import click

from hetvs.files import write_text
from studies.command import Go, carry_out, study_command
from studies.jobs import with_needs
from studies.rows import replace_rows
from studies.updates_page import page
from studies.updates_plan import SCENARIOS, UpdatePlanner
from studies.updates_rows import NAME, measured, rows_of

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
PAGE = "results-updates.md"


@study_command()
@click.option(
    "--only", multiple=True, type=click.Choice([s.name for s in SCENARIOS]), help="Run this scenario alone; repeat."
)
def main(go: Go, only: tuple[str, ...]) -> None:
    """Train, judge and compare; a killed study goes on where it was when it is started again."""
    planner = UpdatePlanner(go.places, SEEDS)

    def refresh() -> None:
        rows = rows_of(measured(planner.models()), len(planner.seeds), MODULE)
        if rows:
            replace_rows(go.docs / "results.json", NAME, rows)
            write_text(go.docs / PAGE, page(rows, planner.scenarios))

    jobs = with_needs(judged.columns for judged in planner.models(only))
    carry_out(go, jobs, lambda job: job.kind.name == "columns", refresh, go.docs / PAGE)


if __name__ == "__main__":
    main()
