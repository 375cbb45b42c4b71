"""The jobs of the study of congruent updates: classifiers of Fashion-MNIST, and what two of them say of an image.

An update either learns five classes more ("growing") or the same ten once more ("same"). All networks are of one
recipe. The references are ensembles of networks that are neither an old nor a new model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studies.shared.book import KINDS, Book, fetch
from studies.shared.cases import Places, slug
from studies.shared.jobs import Job, Kind
from studies.shared.methods import Values, options

COMPARISON = Kind(name="comparison", whole="comparison.json", threaded=True)
FASHION = Path("data/fashion-mnist")
RECIPE = "fashion-classifier.toml"
SCENARIOS = {"growing": "half=first", "same": ""}  # what the old model was trained on
NONE, WARM, NAIVE, FOCAL, ELODI, PARAGON = "no treatment", "warm start", "naive", "focal", "elodi", "ensemble"
ELODI_WARM = "elodi, warm start"  # the new follower begins as the old one; its new classes are held back by a bias
METHODS = (NONE, WARM, NAIVE, FOCAL, ELODI, ELODI_WARM, PARAGON)
MEMBERS = 3  # of an ensemble; ELODI's paper has 8
SETTINGS: dict[str, Values] = {
    WARM: {},
    NAIVE: {"congruent": "naive"},
    FOCAL: {"congruent": "focal", "kappa": 0.1, "new_bias": 0.3},
    ELODI: {"congruent": "elodi", "kappa": 0.8},  # its reference contradicts no label: it may weigh more
    ELODI_WARM: {"congruent": "elodi", "kappa": 0.8, "new_bias": 2.0, "old_share": 0.0},
}
STARTED = (WARM, FOCAL)  # from the old weights; warm start alone says what the treatment adds to that
NEW_SEED, OLD_MEMBER_SEED, NEW_MEMBER_SEED = 10, 20, 30  # the first seed of each kind of network; old ones begin at 0


@dataclass(frozen=True)
class Update:
    """An old and a new model, which were compared: `scenario`, `method`, and the seed of the old model."""

    scenario: str
    method: str
    seed: int
    new: Job
    comparison: Job


@dataclass
class CongruentPlanner:
    """Makes the jobs, each once: both scenarios share the networks that know ten classes and no old model."""

    places: Places
    seeds: tuple[int, ...]
    data: Path = FASHION
    fetched: bool = True
    members: int = MEMBERS

    def __post_init__(self) -> None:
        self._book = Book(self.places.home / self.data.name)

    def updates(self) -> list[Update]:
        """Return every update, those without treatment first; the ensembles are compared once."""
        found = []
        for scenario in SCENARIOS:
            for method in METHODS:
                seeds = self.seeds[:1] if method == PARAGON else self.seeds
                found += [self._update(scenario, method, seed) for seed in seeds]
        return found

    def _update(self, scenario: str, method: str, seed: int) -> Update:
        olds, news = self._sides(scenario, method, seed)
        words = ["hetvs", "compare", str(self.data)]
        for flag, runs in (("--old", olds), ("--new", news)):
            words += [word for run in runs for word in (flag, str(run.output))]
        name = f"{scenario}-{slug(method)}-s{seed}"
        return Update(scenario, method, seed, news[0], self._book.job(COMPARISON, name, words, (*olds, *news)))

    def _sides(self, scenario: str, method: str, seed: int) -> tuple[list[Job], list[Job]]:
        """Return the old runs and the new ones: one of each, or the members of two ensembles."""
        if method == PARAGON:
            return self._ensemble(scenario, OLD_MEMBER_SEED), self._ensemble("same", NEW_MEMBER_SEED)
        if method in (ELODI, ELODI_WARM):
            old = self._follower(scenario, scenario, OLD_MEMBER_SEED, seed)
            if method == ELODI_WARM:
                return [old], [self._follower(scenario, "same", NEW_MEMBER_SEED, NEW_SEED + seed, old)]
            return [old], [self._follower("same", "same", NEW_MEMBER_SEED, NEW_SEED + seed)]
        old = self._alone(scenario, seed)
        if method == NONE:
            return [old], [self._alone("same", NEW_SEED + seed)]
        name = f"{scenario}-{slug(method)}-s{NEW_SEED + seed}"
        values = {**SETTINGS[method], "old": old.output, "seed": NEW_SEED + seed}
        values |= {"start": old.output} if method in STARTED else {}
        return [old], [self._train(name, values, (old,))]

    def _ensemble(self, scenario: str, first: int) -> list[Job]:
        return [self._alone(scenario, first + number) for number in range(self.members)]

    def _alone(self, scenario: str, seed: int) -> Job:
        """Return the training of a network that is held to nothing."""
        return self._train(f"{scenario}-alone-s{seed}", {"rows": SCENARIOS[scenario], "seed": seed}, ())

    def _follower(self, name: str, known: str, first: int, seed: int, old: Job | None = None) -> Job:
        """Return the training of a network that follows an ensemble of its own classes, and may begin as `old`."""
        references = self._ensemble(known, first)
        named = ",".join(str(run.output) for run in references)
        method = ELODI_WARM if old else ELODI
        values = {**SETTINGS[method], "rows": SCENARIOS[known], "references": named, "seed": seed}
        values |= {"start": old.output, "old": old.output} if old else {}
        return self._train(f"{name}-{slug(method)}-s{seed}", values, (*references, *([old] if old else ())))

    def _train(self, name: str, values: Values, after: tuple[Job, ...]) -> Job:
        recipe = self.places.recipes / RECIPE
        words = ["hetvs", "train-classifier", str(self.data), "--config", str(recipe)]
        words += options({name: value for name, value in values.items() if value != ""})
        return self._book.job(KINDS["train"], name, words, (*self._data(), *after), recipe)

    def _data(self) -> tuple[Job, ...]:
        if not self.fetched:
            return ()
        return (fetch(self.places.home, self.data.name, self.data),)
