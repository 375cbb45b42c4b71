"""Does an update keep right what the old model had right, and what does that cost?

Classifiers of Fashion-MNIST, from five classes to ten and from ten to the same ten, by every treatment, three seeds;
the flips of search are those of two students of the study of compatibility, once it has them.
"""

from __future__ import annotations

from hetvs.files import write_text
from studies.command import Go, carry_out, study_command
from studies.congruent_plan import CongruentPlanner
from studies.congruent_rows import NAME, judged, page, rows_of
from studies.congruent_search import search_rows, search_sentences
from studies.jobs import with_needs
from studies.rows import replace_rows

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"
PAGE = "results-congruent.md"


@study_command()
def main(go: Go) -> None:
    """Train, compare and count flips; a killed study goes on where it was when it is started again."""
    planner = CongruentPlanner(go.places, SEEDS)
    updates = planner.updates()

    def refresh() -> None:
        rows = rows_of(judged(updates), len(planner.seeds), MODULE)
        search = search_rows(NAME, MODULE, planner.places)
        if rows:
            replace_rows(go.docs / "results.json", NAME, [*rows, *search])
            write_text(go.docs / PAGE, page(rows, search_sentences(search)))

    jobs = with_needs(update.comparison for update in updates)
    carry_out(go, jobs, lambda job: job.kind.name == "comparison", refresh, go.docs / PAGE)


if __name__ == "__main__":
    main()
