"""The jobs of the study of updates: old models, new ones by every method, free ones, and a chain of four versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.shared.book import KINDS, Book, fetch
from studies.shared.cases import Dataset, Places, slug
from studies.shared.jobs import Job
from studies.shared.methods import Values, options

SMALL, WIDE = "updates-small.toml", "updates-wide.toml"
FREE, DEFAULT, PLAIN = "free", "default", "influence"
COLD, WARM, WARM_RACT = "default, cold start", "influence, warm start", "ract, warm start"
PUBLISHED: Values = {"warm": False}  # the papers start anew; here every model starts with the weights of ImageNet
ARMS: dict[str, Values] = {
    DEFAULT: {"method": "default"},
    COLD: {"method": "default", **PUBLISHED},
    PLAIN: {"method": "influence", "influence": 10.0, **PUBLISHED},  # of 1, 3 and 10 the best on val
    WARM: {"method": "influence", "influence": 10.0},
    WARM_RACT: {"method": "ract"},
    **{
        method: {"method": method, **PUBLISHED}
        for method in ("lce", "unibct", "mixbct", "contrastive", "ract", "anchor")
    },
}
EMOJI = Dataset(name="emoji", folder=Path("data/emoji-192"), protocols=("B",), rows="core=1")
FETCHED_PX = 192  # the size at which the folder is drawn, for every study
FEWER_VENDORS = "core=1,domain!=mozilla,domain!=openmoji,domain!=microsoft"
TWO_VENDORS = FEWER_VENDORS + ",domain!=twitter"
FOUR_VENDORS = "core=1,domain!=mozilla,domain!=openmoji"
NEW_SEED = 10  # of the new model beside the old one of seed 0; the free one has the same


@dataclass(frozen=True)
class Version:
    """How a version is trained: a recipe, the rows of the data set, and the methods that may tie it."""

    recipe: str
    rows: str = "core=1"


@dataclass(frozen=True)
class Scenario:
    """Versions, oldest first, and the arms by which each newer one is tied to the one before it."""

    name: str
    versions: tuple[Version, ...]
    methods: tuple[str, ...]

    @property
    def chain(self) -> bool:
        """Whether there are more than two versions: these have no free models."""
        return len(self.versions) > 2


SCENARIOS = (
    Scenario("extended-data", (Version(SMALL, FEWER_VENDORS), Version(SMALL)), tuple(ARMS)),
    Scenario("extended-class", (Version(SMALL, "core=1,half=first"), Version(SMALL)), (DEFAULT, PLAIN)),
    Scenario("extended-backbone", (Version(SMALL), Version(WIDE)), (DEFAULT, PLAIN)),
    Scenario(
        "chain",
        (Version(SMALL, TWO_VENDORS), Version(SMALL, FEWER_VENDORS), Version(SMALL), Version(WIDE)),
        (DEFAULT,),
    ),
    Scenario(
        "chain-data",
        (Version(SMALL, TWO_VENDORS), Version(SMALL, FEWER_VENDORS), Version(SMALL, FOUR_VENDORS), Version(SMALL)),
        (DEFAULT,),
    ),
)


@dataclass(frozen=True)
class Judged:
    """A model of a scenario with the values per query of it alone and in the galleries of `version` earlier ones.

    `method` is "old" for the first version, whatever the methods of the later ones are.
    """

    scenario: Scenario
    method: str
    seed: int
    version: int
    train: Job
    columns: Job


@dataclass
class UpdatePlanner:
    """Makes the jobs, each once: scenarios share the networks that are trained alike."""

    places: Places
    seeds: tuple[int, ...]
    dataset: Dataset = EMOJI
    scenarios: tuple[Scenario, ...] = SCENARIOS

    def __post_init__(self) -> None:
        self._book = Book(self.places.home / f"{self.dataset.name}-updates")

    def models(self, only: Sequence[str] = ()) -> list[Judged]:
        """Return every judged model, scenario after scenario; `only` names some of them."""
        return [
            judged
            for scenario in self.scenarios
            if not only or scenario.name in only
            for seed in self.seeds
            for judged in self._of_seed(scenario, seed)
        ]

    def _of_seed(self, scenario: Scenario, seed: int) -> list[Judged]:
        first = self._alone(scenario.versions[0], seed)
        found = [Judged(scenario, "old", seed, 0, first, self._columns(scenario, first, ()))]
        for method in scenario.methods:
            runs = [first]
            for number, version in enumerate(scenario.versions[1:], start=1):
                runs.append(self._tied(version, method, runs[-1], seed))
                columns = self._columns(scenario, runs[-1], runs[:-1])
                found.append(Judged(scenario, method, seed, number, runs[-1], columns))
        if not scenario.chain:
            free = self._alone(scenario.versions[1], NEW_SEED + seed)
            columns = self._columns(scenario, free, (first,), control=True)
            found.append(Judged(scenario, FREE, seed, 1, free, columns))
        return found

    def _alone(self, version: Version, seed: int) -> Job:
        """Return the training of a model that nothing ties; a free one and an old one may be the same."""
        words = ["hetvs", "train-teacher", str(self.dataset.folder)]
        return self._train(f"{_stem(version)}-alone-s{seed}", words, version, {"seed": seed}, ())

    def _tied(self, version: Version, method: str, old: Job, seed: int) -> Job:
        words = ["hetvs", "train-update", str(self.dataset.folder)]
        values = {"old": old.output, **ARMS[method], "seed": NEW_SEED + seed}
        return self._train(f"{old.output.name}-then-{_stem(version)}-{slug(method)}", words, version, values, (old,))

    def _train(self, name: str, words: list[str], version: Version, values: Values, after: tuple[Job, ...]) -> Job:
        recipe = self.places.recipes / version.recipe
        settings = {**values, "rows": version.rows}
        words = [*words, "--config", str(recipe), *options(settings)]
        return self._book.job(KINDS["train"], name, words, (*self._data(), *after), recipe)

    def _columns(self, scenario: Scenario, run: Job, olds: Sequence[Job], *, control: bool = False) -> Job:
        """Return the job that judges a model alone and in earlier galleries."""
        vectors, galleries = self._vectors(run), [self._vectors(old) for old in olds]
        words = ["python", "-m", "studies.updates_columns", str(self.dataset.folder), "--model", str(vectors.output)]
        words += [word for gallery in galleries for word in ("--gallery", str(gallery.output))]
        words += ["--protocol", self.dataset.protocols[0], *(["--control"] if control else [])]
        name = f"{scenario.name}-{run.output.name}"
        return self._book.job(KINDS["columns"], name, words, (vectors, *galleries))

    def _vectors(self, run: Job) -> Job:
        """Return the vectors of the test images through the file that ships."""
        bundle = self._book.exported(run, self.dataset.folder)
        return self._book.embedded(bundle.output, bundle, self.dataset)

    def _data(self) -> tuple[Job, ...]:
        if not self.dataset.fetched:
            return ()
        return (fetch(self.places.home, self.dataset.name, self.dataset.folder, "--size", str(FETCHED_PX)),)


def _stem(version: Version) -> str:
    """Return a version as part of a folder's name."""
    rows = {
        "core=1": "all",
        FOUR_VENDORS: "four-vendors",
        FEWER_VENDORS: "three-vendors",
        TWO_VENDORS: "two-vendors",
    }
    backbone = version.recipe.removeprefix("updates-").removesuffix(".toml")
    return f"{backbone}-{rows.get(version.rows, version.rows.rpartition('=')[2])}"
