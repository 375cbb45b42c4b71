"""The jobs of the study of products: two more ways to teach the student of compatibility, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hetvs.config import TERMS, StudentConfig
from hetvs.settings import read_config
from studies.compatibility.cases import EMOJI
from studies.product.losses import RIVALS
from studies.product.pair import FACTS
from studies.shared.book import KINDS, Book
from studies.shared.cases import Case, Dataset, Model, Places, slug
from studies.shared.jobs import Job, Kind
from studies.shared.methods import CLOUD, DEFAULT, Values
from studies.shared.planner import Planner
from studies.shared.trainings import run_name

NAME = "product"
SIZE = "1/80"
VECTORS = "taught by vectors alone"
RIVAL_OF = {f"trained by {loss.replace('_', ' ')}": loss for loss in RIVALS}
PAIR = Kind(name="pair", whole=FACTS, threaded=True)
SPEED = Kind(name="speed", whole="speed.json", alone=True)


@dataclass(frozen=True)
class ProductPlanner:
    """Makes the jobs; the cloud model, the gallery and the default student are those of the study of compatibility."""

    places: Places
    seeds: tuple[int, ...]
    dataset: Dataset = EMOJI

    @cached_property
    def cloud(self) -> Model:
        """The model of the gallery."""
        return self._planner.models(self._case(CLOUD, "1"))[0]

    @cached_property
    def default(self) -> list[Model]:
        """The student that the run of the cloud model teaches, a seed each."""
        return self._planner.models(self._case(DEFAULT))

    def arm(self, method: str) -> list[Model]:
        """Return the default student, or the same one taught by vectors alone or by the loss of a rival."""
        if method == DEFAULT:
            return self.default
        train = self._taught if method == VECTORS else self._rival
        return [self._planner.model(self._case(method), seed, train(method, seed)) for seed in self.seeds]

    @cached_property
    def pairs(self) -> dict[int, Job]:
        """The job that judges the default student of each seed in the gallery, as a product would use both."""
        gallery = self._splits(self.cloud)
        return {model.seed: self._pair(model, gallery) for model in self.default}

    @cached_property
    def speed(self) -> Job:
        """The job that times a training by each loss."""
        words = ["python", "-m", "studies.product_speed", str(self.dataset.folder)]
        words += ["--teacher", str(self._teacher.output), "--config", str(self._recipe)]
        return self._book.job(SPEED, "losses", words, self.default[0].train.after, self._recipe)

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.places, self.seeds)

    @cached_property
    def _book(self) -> Book:
        return Book(self.places.home / f"{self.dataset.name}-{NAME}")

    @cached_property
    def _teacher(self) -> Job:
        return self._planner.trainings.cloud(self.dataset)

    @property
    def _recipe(self) -> Path:
        return self._planner.trainings.recipe(self.dataset, f"student-{slug(SIZE)}")

    def _case(self, method: str, size: str = SIZE) -> Case:
        return Case(self.dataset, size, method)

    def _taught(self, method: str, seed: int) -> Job:
        """Return the training of a student that has nothing of its teacher but the vectors of whole images."""
        words = ["python", "-m", "studies.product_vectors", str(self.dataset.folder)]
        words += ["--teacher", str(self._teacher.output), "--config", str(self._recipe)]
        needed = self.default[0].train.after  # the images, the extra ones too, and the cloud model
        vectors = self._book.job(KINDS["vectors"], "of-a-student", words, needed, self._recipe)
        return self._joined(method, seed, {}, vectors)

    def _rival(self, method: str, seed: int) -> Job:
        """Return the training by another loss: the same images, views, start and steps."""
        recipe = read_config(StudentConfig, self._recipe)
        ours: Values = {name: 0.0 for name in TERMS if getattr(recipe, name)}
        return self._joined(method, seed, {**ours, "loss": RIVAL_OF[method]}, self._teacher, "studies.product_rival")

    def _joined(self, method: str, seed: int, values: Values, teacher: Job, module: str = "") -> Job:
        program = ("python", "-m", module) if module else ("hetvs", "train-student")
        return self._planner.trainings.joined(
            self.dataset,
            run_name(self._case(method), method, seed),
            self._recipe,
            {**values, "seed": seed},
            teacher,
            program=program,
        )

    def _splits(self, model: Model) -> tuple[Job, ...]:
        """Return the vectors of a model: of the test images, as it is judged everywhere, and of the val images."""
        test = next(job for job in model.columns.after if model.bundle in job.after)
        book, name = self._planner.trainings.book(self.dataset), f"{model.bundle.output.name}-val"
        val = book.embedded(model.bundle.output, model.bundle, self.dataset, name=name, split="val")
        return test, val

    def _pair(self, model: Model, gallery: tuple[Job, ...]) -> Job:
        words = ["python", "-m", "studies.product_pair", str(self.dataset.folder)]
        for flag, sides in (("--gallery", gallery), ("--query", self._splits(model))):
            words += [word for job in sides for word in (flag, str(job.output))]
        words += ["--protocol", self.dataset.protocols[0]]
        return self._book.job(PAIR, model.train.output.name, words, (*gallery, *self._splits(model)))
