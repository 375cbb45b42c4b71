"""Numbers of one study by what they are, for the page and the plot: nothing there is typed by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hetvs.retrieval.intervals import Estimate
from studies.shared.methods import BASELINE, CLOUD, DEFAULT
from studies.shared.rows import MEAN, Row


@dataclass(frozen=True)
class Place:
    """A line of a table: a method at a size, on a data set under a protocol; costs have no protocol."""

    dataset: str
    protocol: str
    size: str
    method: str


def place_of(row: Row) -> Place:
    """Return where a row stands."""
    return Place(row.dataset, row.protocol, row.size, row.method)


class Lookup:
    """The rows of a study, by place, metric, pair and seed; what is not there is undefined."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[Place, dict[tuple[str, str, int | str], Row]] = {}
        for row in rows:
            self._rows.setdefault(place_of(row), {})[row.metric, row.pair, row.seed] = row

    def estimate(self, place: Place, metric: str, pair: str, seed: int | str = MEAN) -> Estimate:
        """Return a number with its interval."""
        row = self._rows.get(place, {}).get((metric, pair, seed))
        return row.estimate if row else Estimate(None, reason="not measured")

    def paragon(self, dataset: str, protocol: str, metric: str) -> Estimate:
        """Return M(g,g) of the cloud model."""
        return self.estimate(Place(dataset, protocol, "1", CLOUD), metric, "g,g")

    def cost(self, place: Place, metric: str) -> Estimate:
        """Return what a place costs, read on its first seed."""
        costs = self._rows.get(Place(place.dataset, "", place.size, place.method), {})
        found = [row for (name, _, _), row in costs.items() if name == metric]
        return found[0].estimate if found else Estimate(None, reason="not measured")

    def macs(self, place: Place) -> int | None:
        """Return the MACs of a place; None where it has no row."""
        return next((row.macs for row in self._rows.get(place, {}).values()), None)

    def command(self, place: Place) -> str:
        """Return the command that makes the rows of a place again; empty where it has none."""
        return next((row.command for row in self._rows.get(place, {}).values()), "")

    def seeds(self, place: Place, metric: str, pair: str) -> list[float]:
        """Return the values of the single seeds, ascending."""
        rows = self._rows.get(place, {}).items()
        found = [row.value for (name, of, seed), row in rows if (name, of) == (metric, pair) and seed != MEAN]
        return sorted(value for value in found if value is not None)

    def protocols(self, dataset: str) -> list[str]:
        """Return the protocols of a data set, by name."""
        return sorted({place.protocol for place in self._rows if place.dataset == dataset and place.protocol})

    def methods(self, dataset: str, protocol: str, size: str = "") -> list[Place]:
        """Return every place whose mean over the seeds is known, differences aside, dearest first, then by name."""
        found = [
            place
            for place, rows in self._rows.items()
            if (place.dataset, place.protocol) == (dataset, protocol)
            and (not size or place.size == size)
            and any(seed == MEAN and not metric.startswith("difference/") for metric, _, seed in rows)
        ]
        return sorted(found, key=lambda place: (-(self.macs(place) or 0), place.method))

    def by_default(self, dataset: str, protocol: str) -> list[Place]:
        """Return the default's place at each size, dearest first."""
        return [place for place in self.methods(dataset, protocol) if place.method == DEFAULT]

    def ablated(self, dataset: str, protocol: str) -> list[str]:
        """Return the sizes at which more methods are compared than the default and the baseline."""
        others = [p for p in self.methods(dataset, protocol) if p.method not in (DEFAULT, BASELINE)]
        sizes = [place.size for place in self.by_default(dataset, protocol)]
        return [size for size in sizes if any(place.size == size for place in others)]
