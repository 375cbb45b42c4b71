"""The jobs of the study of products: two more ways to teach the student of compatibility, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hetvs.config import TERMS, StudentConfig, TeacherConfig
from hetvs.settings import read_config
from studies.compatibility.cases import EMOJI, SMALL, SMALL_SIZE
from studies.product.losses import RIVALS
from studies.product.pair import FACTS
from studies.shared.book import KINDS, Book
from studies.shared.cases import Case, Dataset, Model, Places, slug
from studies.shared.jobs import Job, Kind
from studies.shared.methods import CLOUD, DEFAULT, Values
from studies.shared.planner import Planner
from studies.shared.tables import CARD as COLUMNS_CARD
from studies.shared.trainings import STUDENT, run_name

NAME = "product"
SIZE = "1/80"
VECTORS = "taught by vectors alone"
VIEWS = "taught by vectors of its views"
PROCESSES = "trained by two processes"
TORCHRUN = ("python", "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "hetvs", "train-student")
RIVAL_OF = {f"trained by {loss.replace('_', ' ')}": loss for loss in RIVALS}
RIVAL = ("python", "-m", "studies.product_rival")
PAIR = Kind(name="pair", whole=FACTS, threaded=True)
SPEED = Kind(name="speed", whole="speed.json", alone=True)
WRITTEN = Kind(name="written", whole="manifest.csv")
CUT = Kind(name="prefixes", whole=COLUMNS_CARD, threaded=True)


@dataclass(frozen=True)
class ProductPlanner:
    """Makes the jobs; the cloud model, the gallery and the default student are those of the study of compatibility."""

    places: Places
    seeds: tuple[int, ...]
    dataset: Dataset = EMOJI
    size: str = SIZE
    small: Dataset = SMALL
    small_size: str = SMALL_SIZE

    @cached_property
    def of_small(self) -> ProductPlanner:
        """The same of the small chain: what takes other views than the default is affordable there."""
        return replace(self, dataset=self.small, size=self.small_size)

    @cached_property
    def cloud(self) -> Model:
        """The model of the gallery."""
        return self._planner.models(self._case(CLOUD, "1"))[0]

    @cached_property
    def default(self) -> list[Model]:
        """The student that the run of the cloud model teaches, a seed each."""
        return self._planner.models(self._case(DEFAULT))

    def arm(self, method: str) -> list[Model]:
        """Return the default student, or the same one taught or trained otherwise."""
        if method == DEFAULT:
            return self.default
        train = {VECTORS: self._taught, VIEWS: self._shown, PROCESSES: self._shared}.get(method, self._rival)
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
    def prefixes(self) -> dict[int, Job]:
        """The job that judges the default student of each seed at every length of rotated vectors."""
        return {model.seed: self._cut(model) for model in self.default}

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.places, self.seeds)

    @cached_property
    def _book(self) -> Book:
        return Book(self.places.home / f"{self.dataset.name}-{NAME}")

    @cached_property
    def _teacher(self) -> Job:
        return self._planner.trainings.cloud(self.dataset)

    @cached_property
    def _handed_out(self) -> Job:
        """The vectors of the cloud network itself: of the images that a student trains on, and of the val images."""
        words = ["python", "-m", "studies.product_vectors", str(self.dataset.folder)]
        words += ["--teacher", str(self._teacher.output), "--config", str(self._recipe)]
        needed = self.default[0].train.after  # the images, the extra ones too, and the cloud model
        return self._book.job(KINDS["vectors"], "of-a-student", words, needed, self._recipe)

    @cached_property
    def _basis(self) -> Job:
        """The same rotated: the basis is that of the train images among them, so that no image is embedded for it."""
        words = ["hetvs", "rotate", str(self._handed_out.output), "--data", str(self.dataset.folder)]
        rows = read_config(StudentConfig, self._recipe).rows
        words += ["--rows", rows] if rows else []
        return self._book.job(KINDS["vectors"], "of-a-student-rotated", words, (self._handed_out,))

    @property
    def _recipe(self) -> Path:
        return self._planner.trainings.recipe(self.dataset, f"student-{slug(self.size)}")

    def _case(self, method: str, size: str = "") -> Case:
        return Case(self.dataset, size or self.size, method)

    def _taught(self, method: str, seed: int) -> Job:
        """Return the training of a student that has nothing of its teacher but the vectors of whole images."""
        return self._joined(method, seed, {}, self._handed_out)

    @cached_property
    def _written(self) -> tuple[Job, Job]:
        """The views of the default student as images, at the teacher's size, and the vectors that the teacher has."""
        recipe, teacher = read_config(StudentConfig, self._recipe), self._teacher
        size = read_config(TeacherConfig, self._planner.trainings.recipe(self.dataset, "cloud")).img_size
        words = ["hetvs", "data", "views", str(self.dataset.folder), "--views", str(recipe.views)]
        words += ["--size", str(size), "--source-size", str(recipe.source_size)]
        words += ["--views-seed", str(recipe.views_seed), *(["--rows", recipe.rows] if recipe.rows else [])]
        images = self._book.job(WRITTEN, "views", words, self.default[0].train.after)
        words = ["hetvs", "embed", str(images.output), "--model", str(teacher.output)]
        return images, self._book.job(KINDS["vectors"], "of-views", words, (images, teacher))

    def _shown(self, method: str, seed: int) -> Job:
        """Return the training on those images with those vectors, in as many steps: each view is an image there."""
        images, vectors = self._written
        recipe = read_config(StudentConfig, self._recipe)
        size = images.words[images.words.index("--size") + 1]
        words = ["hetvs", "train-student", str(images.output), "--teacher", str(vectors.output)]
        words += ["--config", str(self._recipe), "--whole", "--source-size", size]
        words += ["--epochs", str(max(1, recipe.epochs // recipe.views)), "--seed", str(seed)]
        name = run_name(self._case(method), method, seed)
        book = self._planner.trainings.book(self.dataset)
        return book.job(KINDS["train"], name, words, (images, vectors), self._recipe)

    def _shared(self, method: str, seed: int) -> Job:
        """Return the training of the default by two processes under torchrun."""
        return self._joined(method, seed, {}, self._teacher, TORCHRUN)

    def _rival(self, method: str, seed: int) -> Job:
        """Return the training by another loss: the same images, views, start and steps."""
        recipe = read_config(StudentConfig, self._recipe)
        ours: Values = {name: 0.0 for name in TERMS if getattr(recipe, name)}
        return self._joined(method, seed, {**ours, "loss": RIVAL_OF[method]}, self._teacher, RIVAL)

    def _joined(self, method: str, seed: int, values: Values, teacher: Job, program: tuple[str, ...] = STUDENT) -> Job:
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

    def _turned(self, model: Model) -> tuple[Job, Job]:
        """Return the vectors that a model has of the test images, and the same rotated."""
        test, _ = self._splits(model)
        words = ("hetvs", "rotate", str(test.output), "--basis", str(self._basis.output))
        return test, self._book.job(KINDS["vectors"], f"{test.output.name}-rotated", words, (test, self._basis))

    def _cut(self, model: Model) -> Job:
        words = ["python", "-m", "studies.product_prefixes", str(self.dataset.folder)]
        sides = {"--gallery": self._turned(self.cloud), "--query": self._turned(model)}
        for flag, jobs in sides.items():
            words += [flag, *(str(job.output) for job in jobs)]
        words += ["--protocol", self.dataset.protocols[0]]
        needed = tuple(job for jobs in sides.values() for job in jobs)
        return self._book.job(CUT, model.train.output.name, words, needed)
