"""From recipes to trainings: cloud models and what they start from, galleries, baselines, students."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hetvs.config import FuseConfig, StudentConfig, TeacherConfig, TrainConfig
from hetvs.settings import read_config, require
from studies.shared.book import KINDS, Book, fetch
from studies.shared.cases import Case, Dataset, Places, slug
from studies.shared.jobs import Job
from studies.shared.methods import BASELINE, CONTROL, DEFAULT, HALF, HEAD, Values, options, overrides

STUDENT = ("hetvs", "train-student")


@dataclass
class Trainings:
    """Makes the jobs that train, each once; those of a data set lie in a book of its own."""

    places: Places
    _books: dict[str, Book] = field(default_factory=dict)

    def book(self, dataset: Dataset) -> Book:
        """Return the jobs of a data set."""
        return self._books.setdefault(dataset.name, Book(self.places.home / dataset.name))

    def recipe(self, dataset: Dataset, stem: str) -> Path:
        """Return where a recipe of a data set lies."""
        return self.places.recipes / f"{dataset.stem}-{stem}.toml"

    def cloud(self, dataset: Dataset) -> Job:
        """Return the training of the large network, which students follow."""
        return self._teacher(dataset, "cloud", self.recipe(dataset, "cloud"), {})

    def half(self, dataset: Dataset) -> Job:
        """Return that of the large network at half the resolution."""
        recipe = self.recipe(dataset, "cloud")
        return self._teacher(
            dataset, slug(HALF), recipe, {"img_size": read_config(TeacherConfig, recipe).img_size // 2}
        )

    def gallery(self, dataset: Dataset) -> Job:
        """Return what makes the gallery's model: the large network, and students with it where a recipe says so."""
        recipe = self.recipe(dataset, "gallery")
        cloud = self.cloud(dataset)
        if not recipe.is_file():
            return cloud
        paths = read_config(FuseConfig, recipe).runs
        members = [run for path in paths if (run := self._earlier(dataset, path, cloud)) is not None]
        outputs = ",".join(str(run.output) for run in members)
        words = ["hetvs", "fuse", "--config", str(recipe), "--members", outputs]
        return self.book(dataset).job(KINDS["fuse"], "gallery", words, tuple(members), recipe)

    def baseline(self, case: Case, seed: int) -> Job:
        """Return the training of the network of a student alone."""
        recipe = self.recipe(case.dataset, f"baseline-{slug(case.size)}")
        return self._teacher(case.dataset, run_name(case, BASELINE, seed), recipe, {"seed": seed})

    def student(self, case: Case, seed: int) -> Job:
        """Return the training of a student; one whose method the recipe is already is that of the default."""
        recipe = self.recipe(case.dataset, f"student-{slug(case.size)}")
        config = read_config(StudentConfig, recipe)
        values = overrides(case.method, config)
        name = run_name(case, case.method if values else DEFAULT, seed)
        after: tuple[Job, ...] = ()
        if case.method == HEAD or values.get("start", config.start):
            after = (self.baseline(case, seed),)
            values["start"] = after[0].output
        program = ("python", "-m", "studies.control") if case.method == CONTROL else STUDENT
        cloud = self.cloud(case.dataset)
        return self.joined(case.dataset, name, recipe, {**values, "seed": seed}, cloud, after=after, program=program)

    def joined(
        self,
        dataset: Dataset,
        name: str,
        recipe: Path,
        values: Values,
        teacher: Job,
        *,
        after: tuple[Job, ...] = (),
        program: Sequence[str] = STUDENT,
    ) -> Job:
        """Return the training of a student of `teacher`; cached views are shared, by what they are of."""
        config = read_config(StudentConfig, recipe)
        views = self.places.home / dataset.name / "views"
        shared: Values = {"views_folder": views} if config.views else {}
        words = [*program, str(dataset.folder), "--teacher", str(teacher.output), "--config", str(recipe)]
        words += options(values | shared | _filter(dataset))
        needed = (*self._images(dataset, config), teacher, *after)
        return self.book(dataset).job(KINDS["train"], name, words, needed, recipe)

    def _teacher(self, dataset: Dataset, name: str, recipe: Path, values: Values) -> Job:
        """Return the training of a recipe, and of the runs that it starts from and stays close to."""
        config = read_config(TeacherConfig, recipe)  # one that is missing or wrong is said before any work
        first = self._earlier(dataset, config.start, None)
        near = [self._earlier(dataset, path.strip(), first) for path in config.companion.split(",")]
        named = {"start": [first], "companion": near}
        runs = {setting: [run for run in named[setting] if run is not None] for setting in named}
        outputs = {setting: ",".join(str(run.output) for run in found) for setting, found in runs.items() if found}
        settings = values | outputs | _filter(dataset)
        words = ["hetvs", "train-teacher", str(dataset.folder), "--config", str(recipe), *options(settings)]
        earlier = dict.fromkeys(run for found in runs.values() for run in found)
        return self.book(dataset).job(KINDS["train"], name, words, (*self._images(dataset, config), *earlier), recipe)

    def _earlier(self, dataset: Dataset, path: str, teacher: Job | None) -> Job | None:
        """Return the training of a run that a recipe names: "runs/NAME" is that of STEM-NAME.toml.

        A name that begins with "student" is a student of `teacher`.
        """
        if not path:
            return None
        name = Path(path).name.removeprefix(f"{dataset.stem}-")
        recipe = self.recipe(dataset, name)
        if not name.startswith("student"):
            return self._teacher(dataset, name, recipe, {})
        require(teacher is not None, f"{recipe}: a companion is a student of the run in `start`, and there is none")
        assert teacher is not None
        return self.joined(dataset, name, recipe, {}, teacher)

    def _images(self, dataset: Dataset, config: TrainConfig) -> tuple[Job, ...]:
        """Return the fetches of a data set and of a recipe's extra images, at the sizes they are read at."""
        if not dataset.fetched:
            return ()
        size = read_config(TeacherConfig, self.recipe(dataset, "cloud")).source_size
        fetched = [fetch(self.places.home, dataset.known_as, dataset.folder, "--size", str(size))]
        if config.extra:
            folder = Path(config.extra)
            fetched.append(fetch(self.places.home, folder.name, folder, "--size", str(config.source_size)))
        return tuple(fetched)


def run_name(case: Case, method: str, seed: int) -> str:
    """Return the folder of a run."""
    return f"{slug(case.size)}-{slug(method)}-s{seed}"


def _filter(dataset: Dataset) -> Values:
    return {"rows": dataset.trained} if dataset.trained else {}
