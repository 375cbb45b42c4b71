"""Does a small model that joins the cloud model's space search better than it could alone, and what does that cost?

Emoji at 1/80 of the cloud model's MACs by every method; emoji at four sizes and kanji at 1/80 by the
default loss, against the same network trained alone; the four sizes once more, with a cloud model of
their own, without two vendors in training. Three seeds of everything but the cloud models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from edge_bench.host import host_card
from studies.compatibility.cases import CASES, EMOJI, HEADLINE, NAME, SEEDS, TIMED
from studies.compatibility.page import write_page
from studies.compatibility.plot import require_matplotlib, write_plot
from studies.compatibility.study import BRINGS_ROWS, Study
from studies.shared.command import Go, Report, carry_out, study_command
from studies.shared.rows import Row


@study_command()
@click.option("--only", multiple=True, metavar="PATTERN", help="Run only these rows, such as 'emoji/1-80-*'; repeat.")
def main(go: Go, only: tuple[str, ...]) -> None:
    """Train, judge and compare; a killed study goes on where it was when it is started again."""
    study = Study(name=NAME, module=f"studies.{NAME}", cases=CASES, timed=TIMED, seeds=SEEDS, places=go.places)

    def show(docs: Path, rows: Sequence[Row]) -> None:
        write_page(docs / "results.md", rows, HEADLINE, host_card())
        write_plot(docs / "accuracy-cost", rows, EMOJI.name, HEADLINE[EMOJI.name])

    planned = study.jobs(only)
    if not go.dry_run:
        require_matplotlib()
    report = Report(study=NAME, kinds=BRINGS_ROWS, rows=study.rows, show=show, unplanned=study.unplanned)
    carry_out(go, planned, report)


if __name__ == "__main__":
    main()
