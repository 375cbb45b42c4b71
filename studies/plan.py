"""From cases to jobs: what has to be fetched, trained, exported, embedded and measured for every row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hetvs.config import FuseConfig, StudentConfig, TeacherConfig, TrainConfig
from hetvs.settings import read_config, require
from studies.columns import CARD as COLUMNS_CARD
from studies.jobs import Job, Kind
from studies.methods import BASELINE, CLOUD, CONTROL, DEFAULT, HALF, HEAD, Values, options, overrides, role_of

KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="data", whole="manifest.csv", goes_on="", owns=False),
        Kind(name="train", whole="card.json", goes_on="--resume", threaded=True),
        Kind(name="fuse", whole="card.json"),
        Kind(name="bundles", whole="card.json"),
        Kind(name="vectors", whole="space.json", threaded=True),
        Kind(name="columns", whole=COLUMNS_CARD, threaded=True),
        Kind(name="bench", whole="report.json", alone=True),
    )
}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set as a study judges it: `rows` filters what is embedded, `fetched` sets are built by name.

    A variant has a `family`: the data set whose recipes it trains by and whose name its rows carry. `trained`
    filters what it is trained on, in the place of what its recipes say. `protocols` may name slices of the
    queries too (see `studies.columns`).
    """

    name: str
    folder: Path
    protocols: tuple[str, ...]
    rows: str = ""
    fetched: bool = True
    family: str = ""
    trained: str = ""

    @property
    def known_as(self) -> str:
        """The name in recipes and rows."""
        return self.family or self.name


@dataclass(frozen=True)
class Case:
    """A row of a study: a method at a nominal share of the cloud model's MACs, once per seed."""

    dataset: Dataset
    size: str
    method: str

    @property
    def name(self) -> str:
        """What `--only` is matched against, and the stem of the folders.

        >>> Case(Dataset(name="emoji", folder=Path("data"), protocols=()), "1/80", "anchor + context").name
        'emoji/1-80-anchor-context'
        """
        return f"{self.dataset.name}/{_slug(self.size)}-{_slug(self.method)}"


@dataclass(frozen=True)
class Model:
    """One trained network of a case, and the jobs that make what is known of it."""

    case: Case
    seed: int
    train: Job
    bundle: Job
    columns: Job


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where runs go and recipes lie."""

    home: Path
    recipes: Path


@dataclass
class Planner:
    """Makes the jobs of cases, each once: two cases may share a run."""

    places: Places
    seeds: tuple[int, ...]
    _jobs: dict[str, Job] = field(default_factory=dict)

    def models(self, case: Case) -> list[Model]:
        """Return a model per seed of `case`; there is one cloud model, with the seed of its recipe."""
        if role_of(case.method) == "cloud":
            seed = read_config(TeacherConfig, self._recipe(case.dataset, "cloud")).seed
            train = self._half(case.dataset) if case.method == HALF else self._gallery(case.dataset)
            return [self._model(case, seed, train)]
        trainer = self._baseline if case.method == BASELINE else self._student
        return [self._model(case, seed, trainer(case, seed)) for seed in self.seeds]

    def bench(self, case: Case) -> Job:
        """Return the job that times a case against its cloud model, on the first seed."""
        edge = self.models(case)[0].bundle
        cloud = self.models(Case(case.dataset, "1", CLOUD))[0].bundle
        words = ["hetvs", "bench", str(cloud.output), str(edge.output)]
        return self._job(case.dataset, "bench", _slug(case.size), words, (cloud, edge))

    def _model(self, case: Case, seed: int, train: Job) -> Model:
        """Return the model of a run: its bundle, its vectors, its columns."""
        dataset, name = case.dataset, train.output.name
        bundle, vectors = self._measured(dataset, train)
        cloud = self._measured(dataset, self._gallery(dataset))[1]
        role = role_of(case.method)
        gallery = vectors if role == "cloud" else cloud
        words = [
            *("python", "-m", "studies.columns", str(dataset.folder)),
            *("--gallery", str(gallery.output), "--query", str(vectors.output), "--role", role),
            *(word for protocol in dataset.protocols for word in ("--protocol", protocol)),
        ]
        after = tuple(dict.fromkeys((vectors, gallery)))
        return Model(case, seed, train, bundle, self._job(dataset, "columns", name, words, after))

    def _measured(self, dataset: Dataset, train: Job) -> tuple[Job, Job]:
        """Return the bundle of a run and, through that file, the vectors of the test images."""
        name, data = train.output.name, str(dataset.folder)
        words = ["hetvs", "export", str(train.output), "--data", data]
        bundle = self._job(dataset, "bundles", name, words, (train,))
        words = ["hetvs", "embed", data, "--model", str(bundle.output), "--split", "test"]
        words += ["--rows", dataset.rows] if dataset.rows else []
        vectors = self._job(dataset, "vectors", name, words, (bundle,))
        return bundle, vectors

    def _cloud(self, dataset: Dataset) -> Job:
        """Return the training of the large network, which students follow."""
        return self._teacher(dataset, "cloud", self._recipe(dataset, "cloud"), {})

    def _half(self, dataset: Dataset) -> Job:
        recipe = self._recipe(dataset, "cloud")
        return self._teacher(
            dataset, _slug(HALF), recipe, {"img_size": read_config(TeacherConfig, recipe).img_size // 2}
        )

    def _gallery(self, dataset: Dataset) -> Job:
        """Return what makes the gallery's model: the large network, and students with it where a recipe says so."""
        recipe = self._recipe(dataset, "gallery")
        cloud = self._cloud(dataset)
        if not recipe.is_file():
            return cloud
        paths = read_config(FuseConfig, recipe).runs
        members = [run for path in paths if (run := self._earlier(dataset, path, cloud)) is not None]
        outputs = ",".join(str(run.output) for run in members)
        words = ["hetvs", "fuse", "--config", str(recipe), "--members", outputs]
        return self._job(dataset, "fuse", "gallery", words, tuple(members), recipe)

    def _baseline(self, case: Case, seed: int) -> Job:
        recipe = self._recipe(case.dataset, f"baseline-{_slug(case.size)}")
        return self._teacher(case.dataset, _run_name(case, BASELINE, seed), recipe, {"seed": seed})

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
        needed = (*self._data(dataset), *self._extra(dataset, config), *earlier)
        return self._job(dataset, "train", name, words, needed, recipe)

    def _earlier(self, dataset: Dataset, path: str, teacher: Job | None) -> Job | None:
        """Return the training of a run that a recipe names: "runs/NAME" is that of DATASET-NAME.toml.

        A name that begins with "student" is a student of `teacher`.
        """
        if not path:
            return None
        name = Path(path).name.removeprefix(f"{dataset.known_as}-")
        recipe = self._recipe(dataset, name)
        if not name.startswith("student"):
            return self._teacher(dataset, name, recipe, {})
        require(teacher is not None, f"{recipe}: a companion is a student of the run in `start`, and there is none")
        assert teacher is not None
        return self._joined(dataset, name, recipe, {}, teacher)

    def _student(self, case: Case, seed: int) -> Job:
        """Return the training of a student; one whose method the recipe is already is that of the default."""
        recipe = self._recipe(case.dataset, f"student-{_slug(case.size)}")
        config = read_config(StudentConfig, recipe)
        values = overrides(case.method, config)
        name = _run_name(case, case.method if values else DEFAULT, seed)
        after: tuple[Job, ...] = ()
        if case.method == HEAD or values.get("start", config.start):
            after = (self._baseline(case, seed),)
            values["start"] = after[0].output
        program = ("python", "-m", "studies.control") if case.method == CONTROL else ("hetvs", "train-student")
        cloud = self._cloud(case.dataset)
        return self._joined(case.dataset, name, recipe, {**values, "seed": seed}, cloud, after=after, program=program)

    def _joined(
        self,
        dataset: Dataset,
        name: str,
        recipe: Path,
        values: Values,
        teacher: Job,
        *,
        after: tuple[Job, ...] = (),
        program: tuple[str, ...] = ("hetvs", "train-student"),
    ) -> Job:
        """Return the training of a student of `teacher`; cached views are shared, by what they are of."""
        config = read_config(StudentConfig, recipe)
        views = self.places.home / dataset.name / "views"
        shared: Values = {"views_folder": views} if config.views else {}
        words = [*program, str(dataset.folder), "--teacher", str(teacher.output), "--config", str(recipe)]
        needed = (*self._data(dataset), *self._extra(dataset, config), teacher, *after)
        return self._job(dataset, "train", name, [*words, *options(values | shared | _filter(dataset))], needed, recipe)

    def _data(self, dataset: Dataset) -> tuple[Job, ...]:
        if not dataset.fetched:
            return ()
        size = read_config(TeacherConfig, self._recipe(dataset, "cloud")).source_size
        return (self._fetch(dataset.known_as, dataset.folder, "--size", str(size)),)

    def _extra(self, dataset: Dataset, config: TrainConfig) -> tuple[Job, ...]:
        """Return the fetch of a recipe's extra images, which are a named set, at the size it is read at."""
        if not (dataset.fetched and config.extra):
            return ()
        folder = Path(config.extra)
        return (self._fetch(folder.name, folder, "--size", str(config.source_size)),)

    def _fetch(self, name: str, folder: Path, *more: str) -> Job:
        """A data set proves itself by a digest of its own, so one that is there is taken."""
        job = Job(
            name=f"{name}/data",
            kind=KINDS["data"],
            words=("hetvs", "data", "fetch", name, "-o", str(folder), *more),
            output=folder,
            record=self.places.home / name / "jobs" / "data",
        )
        return self._jobs.setdefault(job.name, job)

    def _job(
        self,
        dataset: Dataset,
        kind: str,
        name: str,
        words: Sequence[str],
        after: tuple[Job, ...],
        recipe: Path | None = None,
    ) -> Job:
        home = self.places.home / dataset.name
        output = home / name if kind in ("train", "fuse") else home / kind / name
        job = Job(
            name=f"{dataset.name}/{name} {kind}",
            kind=KINDS[kind],
            words=(*words, "-o", str(output)),
            output=output,
            record=home / "jobs" / f"{name}-{kind}",
            recipes=(recipe,) if recipe else (),
            after=after,
        )
        return self._jobs.setdefault(job.name, job)

    def _recipe(self, dataset: Dataset, stem: str) -> Path:
        return self.places.recipes / f"{dataset.known_as}-{stem}.toml"


def _filter(dataset: Dataset) -> Values:
    return {"rows": dataset.trained} if dataset.trained else {}


def _run_name(case: Case, method: str, seed: int) -> str:
    return f"{_slug(case.size)}-{_slug(method)}-s{seed}"


def _slug(text: str) -> str:
    """Return a text as part of a file name.

    >>> _slug("anchor + context"), _slug("1/80")
    ('anchor-context', '1-80')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
