"""Does it pay to search the architecture by M(q,g), and does the supernet's winner need no training of its own?

Emoji, one supernet a mode, three seeds of search and training: winners under R1, R2 and R3 as published, the anchored
front, a random architecture, two scaled backbones and the hand-picked student of the study of compatibility.
"""

from __future__ import annotations

from hetvs.files import write_text
from studies.command import Go, carry_out, study_command
from studies.jobs import with_needs
from studies.rows import replace_rows
from studies.search_page import page
from studies.search_plan import NAME, SearchPlanner
from studies.search_rows import rows_of

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
PAGE = "results-search.md"
BRINGS_ROWS = ("columns", "latency", "proxy", "front", "search")


@study_command()
def main(go: Go) -> None:
    """Search, train, judge and compare; a killed study goes on where it was when it is started again."""
    planner = SearchPlanner(go.places, SEEDS)

    def refresh() -> None:
        rows = rows_of(planner, MODULE)
        if rows:
            replace_rows(go.docs / "results.json", NAME, rows)
            write_text(go.docs / PAGE, page(rows))

    carry_out(go, with_needs(planner.wanted()), lambda job: job.kind.name in BRINGS_ROWS, refresh, go.docs / PAGE)


if __name__ == "__main__":
    main()
