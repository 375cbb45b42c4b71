"""What does a product need before it ships a student: any teacher, trust, thresholds, open sets, and the best loss?

Emoji, the cloud model, the gallery and the student of 1/80 of the study of compatibility, three seeds. A part of the
study is a claim with its jobs, rows and section; one more part is one more module and a name in `PARTS`.
"""

from __future__ import annotations

import click

from hetvs.files import write_text
from studies.product.page import PARTS, page
from studies.product.plan import CUT, NAME, PAIR, SPEED, ProductPlanner
from studies.shared.command import Go, Report, carry_out, study_command
from studies.shared.jobs import with_needs

SEEDS = (0, 1, 2)


@study_command()
@click.option("--only", multiple=True, type=click.Choice([part.name for part in PARTS]), help="Run this part; repeat.")
def main(go: Go, only: tuple[str, ...]) -> None:
    """Train, judge and compare; a killed study goes on where it was when it is started again."""
    planner = ProductPlanner(go.places, SEEDS)
    report = Report(
        study=NAME,
        kinds=("columns", CUT.name, PAIR.name, SPEED.name),
        rows=lambda: [row for part in PARTS for row in part.rows(planner)],
        show=lambda docs, rows: write_text(docs / "results-product.md", page(rows)),
    )
    wanted = [job for part in PARTS if not only or part.name in only for job in part.jobs(planner)]
    carry_out(go, with_needs(wanted), report)


if __name__ == "__main__":
    main()
