"""The jobs of the study of refreshed galleries: the models are those of the study of updates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from studies.shared.book import KINDS, Book
from studies.shared.cases import slug
from studies.shared.jobs import Job, Kind
from studies.updates.plan import DEFAULT, FREE, PLAIN, WARM_RACT, UpdatePlanner

SCENARIO = "extended-data"
RACT = "ract"
METHODS = (DEFAULT, PLAIN, RACT, WARM_RACT, FREE)
MAP_METHOD = "mlp"  # predicts the variance that an order is made of
MAPS = Kind(name="maps", whole="card.json", threaded=True)
CLUSTERS = Kind(name="clusters", whole="clusters.json", threaded=True)


@dataclass(frozen=True)
class Refresh:
    """The gallery of an old model, refreshed by a new one of a method: its curves, and what became of its clusters."""

    method: str
    seed: int
    columns: Job
    clusters: Job


@dataclass(frozen=True)
class RefreshPlanner:
    """Makes the jobs; a free model, which is in another space, needs a map."""

    updates: UpdatePlanner

    @cached_property
    def _book(self) -> Book:
        return Book(self.updates.places.home / f"{self.updates.dataset.name}-refresh")

    def cases(self) -> list[Refresh]:
        """Return a case for every method and seed."""
        found = []
        for judged in self.updates.models([SCENARIO]):
            if judged.method in METHODS:
                new, old = judged.columns.after
                found.append(self._case(judged.method, judged.seed, old, new))
        return found

    def _case(self, method: str, seed: int, old: Job, new: Job) -> Refresh:
        name, data = f"{slug(method)}-s{seed}", str(self.updates.dataset.folder)
        sides = ["--old", str(old.output), "--new", str(new.output)]
        space_map = self._map(name, old.after[0], new.after[0]) if method == FREE else None
        after = (old, new, *([space_map] if space_map else []))
        words = ["python", "-m", "studies.refresh_columns", data, *sides]
        words += ["--map", str(space_map.output)] if space_map else []
        words += ["--protocol", self.updates.dataset.protocols[0]]
        columns = self._book.job(KINDS["columns"], name, words, after)
        clusters = self._book.job(CLUSTERS, name, ["python", "-m", "studies.refresh_clusters", *sides], (old, new))
        return Refresh(method, seed, columns, clusters)

    def _map(self, name: str, old: Job, new: Job) -> Job:
        """Return the training of a map between two bundles, on train images; it is judged on val."""
        dataset = self.updates.dataset
        words = ["hetvs", "adapt", "fit", "--from", str(old.output), "--to", str(new.output)]
        words += ["--data", str(dataset.folder), "--method", MAP_METHOD, "--protocol", dataset.protocols[0]]
        words += ["--rows", dataset.rows] if dataset.rows else []
        return self._book.job(MAPS, name, words, (old, new))
