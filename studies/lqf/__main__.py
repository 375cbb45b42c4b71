"""Is fine-tuning as a linear-quadratic problem as good as the usual kind, calmer, and what does it cost?

Few images a class on three tasks by every arm; a student adapted to a style that it never saw, inside the
cloud's space; steps with and without K-FAC; the exported graph beside the plain one. Three seeds of each draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import click

from hetvs.errors import ConfigError
from studies.lqf.page import write_page
from studies.lqf.plan import NAME, RESULT, Plan
from studies.lqf.rows import rows_of
from studies.shared.cases import Places
from studies.shared.command import Go, Report, carry_out, study_command
from studies.shared.jobs import with_needs
from studies.shared.rows import Row


@study_command(home="runs/lqf")
@click.option("--only", multiple=True, metavar="PATTERN", help="Run only these jobs, such as 'lqf/fashion*'; repeat.")
@click.option("--shared", default="runs/reproduce", type=click.Path(path_type=Path), help="Runs of `make reproduce`.")
def main(go: Go, only: tuple[str, ...], shared: Path) -> None:
    """Train, tune and compare; a killed study goes on where it was when it is started again."""
    plan = Plan(go.places, Places(home=shared, recipes=go.places.recipes))
    wanted = [job for job in plan.all() if not only or any(fnmatchcase(job.name, p) for p in only)]
    if not wanted:
        raise ConfigError(f"--only matches none of: {', '.join(job.name for job in plan.all())}")

    def rows() -> list[Row]:
        done = rows_of([job for job in plan.all() if job.state() == "done"])
        return sorted(done, key=lambda row: row.key)

    def show(docs: Path, rows: Sequence[Row]) -> None:
        write_page(docs / "results-lqf.md", rows)

    carry_out(go, with_needs(wanted), Report(study=NAME, kinds=(RESULT.name, "bench"), rows=rows, show=show))


if __name__ == "__main__":
    main()
