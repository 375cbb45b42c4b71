"""Does a new model search the old gallery better than the old one did, and what does staying compatible cost?

Emoji with more data, more classes and a larger backbone, by every method of `hetvs train-update`, against a free
new model; a chain of four versions. Three seeds of everything.
"""

from __future__ import annotations

import click

from hetvs.files import write_text
from studies.shared.command import Go, Report, carry_out, study_command
from studies.shared.jobs import with_needs
from studies.updates.page import page
from studies.updates.plan import SCENARIOS, UpdatePlanner
from studies.updates.rows import NAME, measured, rows_of

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"


@study_command()
@click.option(
    "--only", multiple=True, type=click.Choice([s.name for s in SCENARIOS]), help="Run this scenario alone; repeat."
)
def main(go: Go, only: tuple[str, ...]) -> None:
    """Train, judge and compare; a killed study goes on where it was when it is started again."""
    planner = UpdatePlanner(go.places, SEEDS)
    report = Report(
        study=NAME,
        kinds=("columns",),
        rows=lambda: rows_of(measured(planner.models()), len(planner.seeds), MODULE),
        show=lambda docs, rows: write_text(docs / "results-updates.md", page(rows, planner.scenarios)),
    )
    carry_out(go, with_needs(judged.columns for judged in planner.models(only)), report)


if __name__ == "__main__":
    main()
