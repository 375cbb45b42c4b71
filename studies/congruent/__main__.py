"""Does an update keep right what the old model had right, and what does that cost?

Classifiers of Fashion-MNIST, from five classes to ten and from ten to the same ten, by every treatment, three seeds;
the flips of search are those of two students of one small cloud model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hetvs.files import write_text
from studies.congruent.page import page
from studies.congruent.plan import CongruentPlanner
from studies.congruent.rows import NAME, judged, rows_of
from studies.congruent.search import search_models, search_rows, search_sentences
from studies.shared.command import Go, Report, carry_out, study_command
from studies.shared.jobs import with_needs
from studies.shared.planner import Planner
from studies.shared.rows import Row

SEEDS = (0, 1, 2)
MODULE = f"studies.{NAME}"


@study_command()
def main(go: Go) -> None:
    """Train, compare and count flips; a killed study goes on where it was when it is started again."""
    planner = CongruentPlanner(go.places, SEEDS)
    updates, students = planner.updates(), Planner(go.places, SEEDS)

    def rows() -> list[Row]:
        return [*rows_of(judged(updates), len(planner.seeds), MODULE), *search_rows(NAME, MODULE, students)]

    def show(docs: Path, rows: Sequence[Row]) -> None:
        write_text(docs / "results-congruent.md", page(rows, search_sentences(rows)))

    jobs = with_needs([*(update.comparison for update in updates), *(m.columns for m in search_models(students))])
    carry_out(go, jobs, Report(study=NAME, kinds=("comparison", "columns"), rows=rows, show=show))


if __name__ == "__main__":
    main()
