"""Does it pay to search the architecture by M(q,g), and does the supernet's winner need no training of its own?

The small chain of emoji, one supernet a mode, three seeds of search and training: winners under R1, R2 and R3 as
published, the anchored front, a random architecture, two scaled backbones and the hand-picked student.
"""

from __future__ import annotations

from hetvs.files import write_text
from studies.search.page import page
from studies.search.plan import NAME, SearchPlanner
from studies.search.rows import rows_of
from studies.shared.command import Go, Report, carry_out, study_command
from studies.shared.jobs import with_needs

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
BRINGS_ROWS = ("columns", "latency", "proxy", "front", "search")


@study_command()
def main(go: Go) -> None:
    """Search, train, judge and compare; a killed study goes on where it was when it is started again."""
    planner = SearchPlanner(go.places, SEEDS)
    report = Report(
        study=NAME,
        kinds=BRINGS_ROWS,
        rows=lambda: rows_of(planner, MODULE),
        show=lambda docs, rows: write_text(docs / "results-search.md", page(rows)),
    )
    carry_out(go, with_needs(planner.wanted()), report)


if __name__ == "__main__":
    main()
