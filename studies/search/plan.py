"""The jobs of the study of architecture search: one supernet a mode, searches, winners and what they are compared with.

Seed s is that of a search, of its random control and of every training that follows from them, so methods are paired
by it. All networks have the same budget of MACs, follow the same cloud model and are judged by the same gallery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hetvs.config import TeacherConfig
from hetvs.settings import read_config
from studies.compatibility.cases import SMALL, SMALL_SIZE
from studies.search.methods import (
    ANCHORED,
    BY_LATENCY,
    CHEAPER,
    CUT,
    FAITHFUL,
    FOUND_BY,
    FROM_NOTHING,
    HAND_PICKED,
    HELD,
    HELD_WEIGHTS,
    METHODS,
    POINTS,
    PREVIOUS,
    RANDOM,
    RETRAINED,
    SEARCH_NAMES,
    UNTAUGHT,
)
from studies.shared.book import KINDS, Book
from studies.shared.cases import Case, Dataset, Model, Places
from studies.shared.jobs import Job, Kind
from studies.shared.methods import CLOUD, DEFAULT, Values, options
from studies.shared.planner import Planner, judging

NAME = "search"
SPACE = "lite"
SIZES = (20, 24, 32)  # px
MOST_MACS = 2_200_000  # those of the hand-picked student, and a little for rounding
MOST_LATENCY = 0.19  # of the reference kernel, a sum of operators; whole, the hand-picked student takes .21
CANDIDATES = 400  # of a search
SEARCHED = Kind(name="search", whole="report.html", goes_on="--resume")
TABLE = Kind(name="latency", whole="table.json", alone=True)
DRAWN = Kind(name="drawn", whole="best.json", goes_on="")
PROXY = Kind(name="proxy", whole="proxy.json")
FRONT = Kind(name="front", whole="report.json", alone=True)
ARCH = "best.json"


@dataclass(frozen=True)
class Contender:
    """A network of a method and a seed, and the job that holds its scores per query."""

    method: str
    seed: int
    train: Job
    bundle: Path
    columns: Job


@dataclass
class SearchPlanner:
    """Makes the jobs, each once."""

    places: Places
    seeds: tuple[int, ...]
    dataset: Dataset = SMALL
    candidates: int = CANDIDATES

    def __post_init__(self) -> None:
        self._others = Planner(self.places, self.seeds)
        self._book = Book(self.places.home / self.dataset.name / NAME, flat=())

    @cached_property
    def cloud(self) -> Model:
        """The cloud model, as the study of compatibility has it."""
        return self._others.models(Case(self.dataset, "1", CLOUD))[0]

    @cached_property
    def previous(self) -> list[Model]:
        """The best hand-picked students of the study of compatibility, a seed each."""
        return self._others.models(Case(self.dataset, SMALL_SIZE, DEFAULT))

    def contenders(self) -> list[Contender]:
        """Return every network that is judged."""
        return [self._contender(method, seed) for method in METHODS for seed in self.seeds]

    def table(self) -> Job:
        """Return the job that times the operators."""
        words = ("hetvs", "latency-table", "--dim", str(self._dim), *space_words())
        return self._book.job(TABLE, "table", words, (), file=TABLE.whole)

    def search(self, reward: str, seed: int) -> Job:
        """Return a search: by `reward` as published, or one that ends in a front of latency and M(q,g)."""
        mode = "faithful" if reward in FAITHFUL else "anchored"
        supernet, gallery = self._supernet(mode), self._holding(seed) if reward == HELD else self._teacher
        values: Values = {"mode": mode, "seed": seed, "candidates": self.candidates}
        values |= {"max_latency_ratio": MOST_LATENCY} if reward == BY_LATENCY else {"max_macs": MOST_MACS}
        after: tuple[Job, ...] = (supernet, gallery) if reward == HELD else (supernet,)
        if mode == "anchored":
            values |= {"reward": "R4"} if reward == BY_LATENCY else {}
            values |= {"latency_table": self.table().output / TABLE.whole, "export": POINTS}
            after += (self.table(),)
        else:
            values |= {"reward": reward, "export": 0}
        words = ["hetvs", "search-student", str(self.dataset.folder), "--teacher", str(gallery.output)]
        words += ["--supernet", str(supernet.output), *options(values)]
        return self._book.job(SEARCHED, f"{SEARCH_NAMES.get(reward, reward.lower())}-s{seed}", words, after)

    def proxy(self) -> Job:
        """Return the job that compares the anchored supernet's scores with those of networks trained alone."""
        alone = [c.train for c in self.contenders() if c.method in (*FAITHFUL, RETRAINED, RANDOM)]
        supernet = self._supernet("anchored")
        words = ["python", "-m", "studies.search_proxy", str(self.dataset.folder), "--supernet", str(supernet.output)]
        words += ["--teacher", str(self._teacher.output)]
        words += [word for run in alone for word in ("--run", str(run.output))]
        return self._book.job(PROXY, "anchored", words, (supernet, *alone))

    def timed(self) -> dict[str, tuple[Path, Job]]:
        """Return what is timed, by method: bundles of the first seed, each with a job that it is there after."""
        first, previous = self.seeds[0], self.previous[0].bundle
        search = self.search(ANCHORED, first)
        found = {PREVIOUS: (previous.output, previous)}
        found |= {method: (bundle_of(search, CUT[method][1]), search) for method in (ANCHORED, *CHEAPER)}
        winners = (self._contender(method, first) for method in (*FAITHFUL, BY_LATENCY))
        return found | {winner.method: (winner.bundle, winner.columns) for winner in winners}

    def front(self) -> Job:
        """Return the job that times the exported points and the winners trained anew beside the hand-picked student."""
        bundles, after = zip(*self.timed().values(), strict=True)
        return self._book.job(FRONT, "front", ("hetvs", "bench", *map(str, bundles)), tuple(dict.fromkeys(after)))

    def wanted(self) -> list[Job]:
        """Return the last job of everything that the page is made of."""
        judged = [self.cloud.columns, *(contender.columns for contender in self.contenders())]
        families = [self.search(HELD, seed) for seed in self.seeds]
        return [self.table(), *judged, self.proxy(), *families, self.front()]

    @cached_property
    def _teacher(self) -> Job:
        """The run that every student of the study of compatibility follows."""
        return self._others.trainings.cloud(self.dataset)

    @cached_property
    def _dim(self) -> int:
        return read_config(TeacherConfig, self._others.trainings.recipe(self.dataset, "cloud")).dim

    def _holding(self, seed: int) -> Job:
        """Return a gallery model: the cloud's and the best exported point of another search (`hetvs fuse`)."""
        search = self.search(ANCHORED, self.seeds[self.seeds.index(seed) - 1])
        members = f"{self._teacher.output},{search.output / 'points' / 'point-1'}"
        words = ("hetvs", "fuse", "--members", members, "--weights", HELD_WEIGHTS)
        return self._book.job(KINDS["fuse"], f"holding-s{seed}", words, (self._teacher, search))

    def _supernet(self, mode: str) -> Job:
        recipe = self._recipe(f"supernet-{mode}")
        words = ["hetvs", "train-supernet", str(self.dataset.folder), "--teacher", str(self._teacher.output)]
        words += ["--mode", mode, "--config", str(recipe)]
        return self._book.job(KINDS["train"], f"supernet-{mode}", words, self._data, recipe)

    def _contender(self, method: str, seed: int) -> Contender:
        if method == PREVIOUS:
            model = self.previous[self.seeds.index(seed)]
            return Contender(method, seed, model.train, model.bundle.output, model.columns)
        if method in CUT:
            by, number = CUT[method]
            search = self.search(by, seed)
            bundle = bundle_of(search, number)
            columns = self._columns(f"{SEARCH_NAMES.get(by, by)}-point-{number}-s{seed}", bundle, search)
            return Contender(method, seed, search, bundle, columns)
        train = self._student(method, seed)
        exported = self._book.exported(train, self.dataset.folder)
        columns = self._columns(train.output.name, exported.output, exported)
        return Contender(method, seed, train, exported.output, columns)

    def _student(self, method: str, seed: int) -> Job:
        values: Values = {"seed": seed, "views_folder": self.places.home / self.dataset.name / "views"}
        after: tuple[Job, ...] = ()
        if method in HAND_PICKED:
            values |= HAND_PICKED[method]
        else:
            origin = self._drawn(seed) if method == RANDOM else self._origin(method, seed)
            values |= FROM_NOTHING if method == UNTAUGHT else {}
            values["arch"] = origin.output / ARCH
            after = (origin,)
        recipe = self._recipe("student")
        words = ["hetvs", "train-student", str(self.dataset.folder), "--teacher", str(self._teacher.output)]
        words += ["--config", str(recipe), *options(values)]
        name = f"{method.replace(', ', '-').replace(' ', '-').lower()}-s{seed}"
        return self._book.job(KINDS["train"], name, words, (*self._data, *after), recipe)

    def _origin(self, method: str, seed: int) -> Job:
        return self.search(FOUND_BY.get(method, method), seed)

    def _drawn(self, seed: int) -> Job:
        """Return a random architecture of the same MACs."""
        words = ["python", "-m", "studies.search_random", *space_words(), "--most", str(MOST_MACS)]
        return self._book.job(DRAWN, f"random-s{seed}", (*words, "--dim", str(self._dim), "--seed", str(seed)), ())

    def _columns(self, name: str, bundle: Path, made_by: Job) -> Job:
        """Return the vectors of the test images through a bundle, and their columns against the cloud's gallery."""
        vectors = self._book.embedded(bundle, made_by, self.dataset, name=name)
        (gallery,) = self.cloud.columns.after
        one = replace(self.dataset, protocols=self.dataset.protocols[:1])
        words = judging(one, gallery.output, vectors.output, "student")
        return self._book.job(KINDS["columns"], name, words, (vectors, gallery))

    @cached_property
    def _data(self) -> tuple[Job, ...]:
        """The images, and the cloud model that is followed."""
        return (*(job for job in self.previous[0].train.after if job.kind.name == "data"), self._teacher)

    def _recipe(self, stem: str) -> Path:
        return self._others.trainings.recipe(self.dataset, f"search-{stem}")


def space_words() -> tuple[str, ...]:
    """Return the options that say what is searched."""
    return "--space", SPACE, *(word for size in SIZES for word in ("--sizes", str(size)))


def bundle_of(search: Job, number: int) -> Path:
    """Return where a search writes the bundle of a point, the best being 1."""
    return search.output / "bundles" / f"point-{number}"
