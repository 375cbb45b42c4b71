"""Does a small model that joins the cloud model's space search better than it could alone, and what does that cost?

Emoji at 1/80 of the cloud model's MACs by every method; emoji at four sizes and kanji at 1/80 by the
default loss, against the same network trained alone; the four sizes once more, with a cloud model of
their own, without two vendors in training. Three seeds of everything but the cloud models.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_bench.host import host_card
from hetvs.retrieval.protocols import UNSEEN_DOMAINS
from studies.command import Go, study_command
from studies.methods import BASELINE, CLOUD, CONTROL, DEFAULT, HALF, HEAD
from studies.page import write_page
from studies.plan import Case, Dataset
from studies.plot import require_matplotlib, write_plot
from studies.rows import Row
from studies.study import Study, describe, run_study

NAME = "compatibility"
SEEDS = (0, 1, 2)
EMOJI = Dataset(name="emoji", folder=Path("data/emoji-192"), protocols=("B", "A"), rows="core=1")
KANJI = Dataset(
    name="kanji",
    folder=Path("data/kanji"),
    protocols=("manifest", "manifest, genre=brush", "manifest, genre!=brush"),
)
UNSEEN = Dataset(
    name="emoji-unseen",
    family=EMOJI.name,
    folder=EMOJI.folder,
    protocols=("C",),
    rows=EMOJI.rows,
    trained=",".join([EMOJI.rows, *(f"domain!={domain}" for domain in UNSEEN_DOMAINS)]),
)
ABLATED = "1/80"
SIZES = ("1/10", "1/23", "1/80", "1/200")
ABLATIONS = (
    "influence alone",
    "anchor",
    "anchor + context",
    "anchor + rank difference",
    "default + influence",
    "default + focal",
    HEAD,
    CONTROL,
)
CASES = (
    Case(EMOJI, "1", CLOUD),
    *(Case(EMOJI, ABLATED, method) for method in (DEFAULT, BASELINE)),
    *(Case(EMOJI, size, method) for size in SIZES if size != ABLATED for method in (DEFAULT, BASELINE)),
    *(Case(EMOJI, ABLATED, method) for method in ABLATIONS),
    Case(KANJI, "1", CLOUD),
    *(Case(KANJI, ABLATED, method) for method in (DEFAULT, BASELINE, "influence alone")),
    Case(EMOJI, "1/4", HALF),
    Case(UNSEEN, "1", CLOUD),
    *(Case(UNSEEN, size, method) for size in SIZES for method in (DEFAULT, BASELINE)),
)
HEADLINE = {dataset.name: dataset.protocols[0] for dataset in (EMOJI, KANJI)}
TIMED = tuple(case for case in CASES if case.method == DEFAULT and not case.dataset.family)


@study_command()
@click.option("--only", multiple=True, metavar="PATTERN", help="Run only these rows, such as 'emoji/1-80-*'; repeat.")
def main(go: Go, only: tuple[str, ...]) -> None:
    """Train, judge and compare; a killed study goes on where it was when it is started again."""
    study = Study(name=NAME, module=f"studies.{NAME}", cases=CASES, timed=TIMED, seeds=SEEDS, places=go.places)

    def show(rows: list[Row]) -> None:
        mine = [row for row in rows if row.study == NAME]
        write_page(go.docs / "results.md", mine, HEADLINE, host_card())
        write_plot(go.docs / "accuracy-cost", mine, EMOJI.name, HEADLINE[EMOJI.name])

    planned = study.jobs(only)
    if go.dry_run:
        click.echo(describe(study, planned))
        return
    require_matplotlib()
    sys.exit(run_study(study, go.docs / "results.json", planned, workers=go.jobs, threads=go.threads, show=show))


if __name__ == "__main__":
    main()
