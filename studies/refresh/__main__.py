"""How well is a gallery searched while it is refreshed, in which order, and do its clusters survive?

Emoji, the old model with the images of three vendors, the new one with those of all: tied to the old space by
three methods, or free with a learned map. The models are those of the study of updates. Three seeds.
"""

from __future__ import annotations

from hetvs.files import write_text
from studies.refresh.page import page
from studies.refresh.plan import RefreshPlanner
from studies.refresh.rows import NAME, measured, rows_of
from studies.shared.command import Go, Report, carry_out, study_command
from studies.shared.jobs import Job, with_needs
from studies.updates.plan import UpdatePlanner

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"


def jobs_of(planner: RefreshPlanner) -> list[Job]:
    """Return every job with all that it needs, what is needed first."""
    return with_needs(job for case in planner.cases() for job in (case.columns, case.clusters))


@study_command()
def main(go: Go) -> None:
    """Train, refresh and judge; a killed study goes on where it was when it is started again."""
    planner = RefreshPlanner(UpdatePlanner(go.places, SEEDS))
    report = Report(
        study=NAME,
        kinds=("columns", "clusters"),
        rows=lambda: rows_of(measured(planner.cases()), len(planner.updates.seeds), MODULE),
        show=lambda docs, rows: write_text(docs / "results-refresh.md", page(rows)),
    )
    carry_out(go, jobs_of(planner), report)


if __name__ == "__main__":
    main()
