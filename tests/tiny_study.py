"""A study of two sizes and two seeds on a few drawn shapes: `python tests/tiny_study.py FOLDER` runs it.

Not a test: tests/test_reproduce.py starts it, kills it, and starts it again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from edge_bench.host import host_card
from studies.compatibility.page import write_page
from studies.compatibility.plot import write_plot
from studies.compatibility.study import BRINGS_ROWS, Study
from studies.shared.cases import Case, Dataset, Places
from studies.shared.command import Go, Report, carry_out
from studies.shared.methods import BASELINE, CLOUD, DEFAULT
from studies.shared.rows import Row

TEACHER = "img_size = 24\nsource_size = 24\ndepth = 1\ndim = 16\nepochs = 4\nbatch_size = 16\namp = 'off'\n"
STUDENT = (
    "img_size = 16\nsource_size = 24\ndepth = 1\nepochs = 4\nbatch_size = 16\nviews = 2\nqueue = 32\namp = 'off'\n"
)
SIZES = {"1/2": "width = 0.5\n", "1/4": "width = 0.25\n"}
RECIPES = {
    "shapes-cloud.toml": 'backbone = "hetvs/edgenet"\n' + TEACHER,
    **{
        f"shapes-{kind}-{size.replace('/', '-')}.toml": text + width
        for size, width in SIZES.items()
        for kind, text in (
            ("baseline", 'backbone = "hetvs/edgenet"\n' + TEACHER.replace("img_size = 24", "img_size = 16")),
            ("student", STUDENT),
        )
    },
}
METHODS = {"1/2": (DEFAULT, BASELINE), "1/4": (DEFAULT,)}


def tiny_study(folder: Path) -> Study:
    """Return the study of FOLDER/data; its recipes are written to FOLDER/recipes."""
    dataset = Dataset(name="shapes", folder=folder / "data", protocols=("B",), fetched=False)
    (folder / "recipes").mkdir(exist_ok=True)
    for name, text in RECIPES.items():
        (folder / "recipes" / name).write_text(text)
    cases = tuple(Case(dataset, size, method) for size, methods in METHODS.items() for method in methods)
    return Study(
        name="tiny",
        module="tests.tiny_study",
        cases=(Case(dataset, "1", CLOUD), *cases),
        timed=(),
        seeds=(0, 1),
        places=Places(home=folder / "runs", recipes=folder / "recipes"),
    )


def main(folder: Path) -> NoReturn:
    """Run it with two jobs at a time; pages beside the results."""
    study = tiny_study(folder)

    def show(docs: Path, rows: Sequence[Row]) -> None:
        write_page(docs / "results.md", rows, {"shapes": "B"}, host_card())
        write_plot(docs / "accuracy-cost", rows, "shapes", "B")

    go = Go(dry_run=False, jobs=2, threads=1, home=study.places.home, docs=folder)
    carry_out(go, study.jobs(), Report(study=study.name, kinds=BRINGS_ROWS, rows=study.rows, show=show))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
