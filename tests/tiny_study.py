"""A study of two sizes and two seeds on a few drawn shapes: `python tests/tiny_study.py FOLDER` runs it.

Not a test: tests/test_reproduce.py starts it, kills it, and starts it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edge_bench.host import host_card
from studies.methods import BASELINE, CLOUD, DEFAULT
from studies.page import write_page
from studies.plan import Case, Dataset, Places
from studies.plot import write_plot
from studies.rows import Row
from studies.study import Study, run_study

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


def main(folder: Path) -> int:
    """Run it with two jobs at a time; pages beside the results."""
    study = tiny_study(folder)

    def show(rows: list[Row]) -> None:
        write_page(folder / "results.md", rows, {"shapes": "B"}, host_card())
        write_plot(folder / "accuracy-cost", rows, "shapes", "B")

    return run_study(study, folder / "results.json", study.jobs(), workers=2, threads=1, show=show)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
