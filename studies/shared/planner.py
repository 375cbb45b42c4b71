"""From cases to jobs: what has to be trained, exported, embedded and measured for every row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hetvs.config import TeacherConfig
from hetvs.settings import read_config
from studies.shared.book import KINDS
from studies.shared.cases import Case, Dataset, Model, Places, slug
from studies.shared.jobs import Job
from studies.shared.methods import BASELINE, CLOUD, HALF, role_of
from studies.shared.tables import Role
from studies.shared.trainings import Trainings


@dataclass
class Planner:
    """Makes the jobs of cases, each once: two cases may share a run."""

    places: Places
    seeds: tuple[int, ...]

    @cached_property
    def trainings(self) -> Trainings:
        """What makes the runs."""
        return Trainings(self.places)

    def models(self, case: Case) -> list[Model]:
        """Return a model per seed of `case`; there is one cloud model, with the seed of its recipe."""
        if role_of(case.method) == "cloud":
            seed = read_config(TeacherConfig, self.trainings.recipe(case.dataset, "cloud")).seed
            trained = self.trainings.half if case.method == HALF else self.trainings.gallery
            return [self.model(case, seed, trained(case.dataset))]
        trainer = self.trainings.baseline if case.method == BASELINE else self.trainings.student
        return [self.model(case, seed, trainer(case, seed)) for seed in self.seeds]

    def bench(self, case: Case) -> Job:
        """Return the job that times a case against its cloud model, on the first seed."""
        edge = self.models(case)[0].bundle
        cloud = self.models(Case(case.dataset, "1", CLOUD))[0].bundle
        words = ["hetvs", "bench", str(cloud.output), str(edge.output)]
        return self.trainings.book(case.dataset).job(KINDS["bench"], slug(case.size), words, (cloud, edge))

    def model(self, case: Case, seed: int, train: Job) -> Model:
        """Return the model of a run: its bundle, its vectors, its columns."""
        dataset, role = case.dataset, role_of(case.method)
        bundle, vectors = self._measured(dataset, train)
        gallery = vectors if role == "cloud" else self._measured(dataset, self.trainings.gallery(dataset))[1]
        words = judging(dataset, gallery.output, vectors.output, role)
        after = tuple(dict.fromkeys((vectors, gallery)))
        columns = self.trainings.book(dataset).job(KINDS["columns"], train.output.name, words, after)
        return Model(case, seed, train, bundle, columns)

    def _measured(self, dataset: Dataset, train: Job) -> tuple[Job, Job]:
        """Return the bundle of a run and, through that file, the vectors of the test images."""
        book = self.trainings.book(dataset)
        bundle = book.exported(train, dataset.folder)
        return bundle, book.embedded(bundle.output, bundle, dataset)


def judging(dataset: Dataset, gallery: Path, query: Path, role: Role) -> list[str]:
    """Return the command that writes the values per query of a model under every protocol of a data set."""
    words = ["python", "-m", "studies.columns", str(dataset.folder)]
    words += ["--gallery", str(gallery), "--query", str(query), "--role", role]
    return [*words, *(word for protocol in dataset.protocols for word in ("--protocol", protocol))]
