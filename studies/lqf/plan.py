"""The jobs of the study of linear-quadratic fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hetvs.retrieval.protocols import UNSEEN_DOMAINS
from studies.compatibility.cases import SMALL_SIZE, SMALL_UNSEEN
from studies.shared.book import KINDS
from studies.shared.cases import Case, Places
from studies.shared.jobs import Job, Kind
from studies.shared.methods import CLOUD, DEFAULT
from studies.shared.planner import Planner

NAME = "lqf"
SEEDS = (0, 1, 2)
SHOTS = (1, 2, 5, 10, 20)  # images of each class
ALL = 0  # in the place of a number: every image
ABLATED = 5  # the draw on which the arms that lack an ingredient run
LAYERS = 4  # that adapt where the cost is measured, as on a device
RESULT = Kind(name="result", whole="result.json", goes_on="", threaded=True)
DATA = SMALL_UNSEEN.folder
LEAKY_AGAIN = ("--activation", "leaky_relu", "--epochs", "4", "--lr", "1e-3")


@dataclass(frozen=True)
class Task:
    """A data set and the column of it that is learned; `shots` are its draws."""

    name: str
    folder: Path
    column: str
    shots: tuple[int, ...] = SHOTS


TASKS = (
    Task("fashion-mnist", Path("data/fashion-mnist"), "label"),
    Task("emoji-styles", Path("data/emoji-192"), "style", shots=(*SHOTS, ALL)),
    Task("kanji-faces", Path("data/kanji"), "style"),
)


def seeds_of(shots: int) -> tuple[int, ...]:
    """Return the seeds of a draw: all images are one."""
    return SEEDS[:1] if shots == ALL else SEEDS


@dataclass
class Plan:
    """The jobs of the study; those of the compatibility study that it needs are the very same, and shared."""

    places: Places
    compatibility: Places
    jobs: dict[str, Job] = field(default_factory=dict)

    def all(self) -> list[Job]:
        """Return every job that gives rows, in the order in which they are run."""
        return [*self.tasks(), *self.compat(), *self.agreement(), *self.cost(), self.bench()]

    def tasks(self) -> Iterator[Job]:
        """One job a task, number of images and seed: every arm on one draw."""
        relu, leaky = self._start(), self._leaky_start()
        for task in TASKS:
            for shots in task.shots:
                for seed in seeds_of(shots):
                    words = ["python", "-m", "studies.lqf_task", str(task.folder), "--column", task.column]
                    words += ["--shots", str(shots), "--seed", str(seed)]
                    words += [] if shots == ABLATED else ["--no-ablations"]
                    words += ["--leaky", str(leaky.output), "--relu", str(relu.output)]
                    yield self._job(f"{task.name}/{shots}-s{seed}", words, (relu, leaky), RESULT)

    def compat(self) -> Iterator[Job]:
        """A student adapted to each style that neither it nor its cloud model ever saw."""
        cloud, student = self._unseen()
        for domain in UNSEEN_DOMAINS:
            for seed in SEEDS:
                words = ["python", "-m", "studies.lqf_compat", str(DATA), "--domain", domain]
                words += ["--cloud", str(cloud.output), "--start", str(student.output), "--seed", str(seed)]
                yield self._job(f"compat/{domain}-s{seed}", words, (cloud, student), RESULT)

    def agreement(self) -> Iterator[Job]:
        """One problem by every solver, seed and order: at a lambda of 1, and at the default, which is better posed."""
        start = self._leaky_start()
        for share in (1, 10):
            words = ["python", "-m", "studies.lqf_agreement", str(TASKS[0].folder), "--start", str(start.output)]
            words += ["--layers", str(LAYERS), "--share", str(share)]
            yield self._job(f"agreement/lambda-{share}", words, (start,), RESULT)

    def cost(self) -> Iterator[Job]:
        """Steps and seconds with and without K-FAC: with few images the Hessian has few directions, with many all."""
        cloud, student = self._unseen()
        for images in (200, 1000):
            words = ["python", "-m", "studies.lqf_cost", str(DATA), "--images", str(images), "--layers", str(LAYERS)]
            words += ["--cloud", str(cloud.output), "--start", str(student.output)]
            yield self._job(f"cost/{images}-images", words, (cloud, student), RESULT)

    def bench(self) -> Job:
        """The two-stream graph beside the plain one, timed together."""
        cloud, student = self._unseen()
        data = str(DATA)
        words = ["hetvs", "finetune-linear", data, "--start", str(student.output), "--teacher", str(cloud.output)]
        words += ["--layers", str(LAYERS), "--images", "200", "--rows", f"core=1,domain={UNSEEN_DOMAINS[0]}"]
        tuned = self._job("tuned", words, (cloud, student), Kind(name="train", whole="card.json", threaded=True))
        bundles = [
            self._job(f"bundles/{name}", ("hetvs", "export", str(run.output), "--data", data), (run,), KINDS["bundles"])
            for name, run in (("tangent", tuned), ("plain", student))
        ]
        words = ["hetvs", "bench", *(str(bundle.output) for bundle in bundles)]
        return self._job("cost/bench", words, tuple(bundles), KINDS["bench"])

    def _unseen(self) -> tuple[Job, Job]:
        """Return the cloud model without the styles that ask, and its student, made leaky by a short training."""
        planner = Planner(self.compatibility, SEEDS[:1])
        cases = Case(SMALL_UNSEEN, "1", CLOUD), Case(SMALL_UNSEEN, SMALL_SIZE, DEFAULT)
        cloud, student = (planner.models(case)[0].train for case in cases)
        recipe = student.recipes[0]
        words = ["hetvs", "train-student", str(DATA), "--teacher", str(cloud.output), "--config", str(recipe)]
        words += ["--rows", SMALL_UNSEEN.trained, "--start", str(student.output), *LEAKY_AGAIN]
        return cloud, self._job("leaky-student", words, (cloud, student), KINDS["train"], (recipe,))

    def _start(self) -> Job:
        recipe = self.places.recipes / "lqf-start.toml"
        words = ["hetvs", "train-teacher", str(DATA), "--config", str(recipe)]
        return self._job("start", words, (), KINDS["train"], (recipe,))

    def _leaky_start(self) -> Job:
        first = self._start()
        words = [*first.words[:-2], "--start", str(first.output), *LEAKY_AGAIN]
        return self._job("leaky-start", words, (first,), KINDS["train"], first.recipes)

    def _job(
        self, name: str, words: Sequence[str], after: tuple[Job, ...], kind: Kind, recipes: tuple[Path, ...] = ()
    ) -> Job:
        output = self.places.home / name
        job = Job(
            name=f"{NAME}/{name}", kind=kind, words=(*words, "-o", str(output)), output=output,
            record=self.places.home / "jobs" / name.replace("/", "-"), recipes=recipes, after=after,
        )  # fmt: skip
        return self.jobs.setdefault(job.name, job)
