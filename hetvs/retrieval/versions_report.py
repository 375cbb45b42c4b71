"""What was found of the versions of a model: plain frozen data that serialises to JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hetvs.card_fields import SCHEMA_VERSION
from hetvs.errors import ConfigError
from hetvs.retrieval.flips import Flips
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.report import Cell, ModelFacts, Setup
from hetvs.retrieval.rules import Rule
from hetvs.retrieval.updates import Scores


@dataclass(frozen=True)
class Step:
    """A newer version against the gallery of an older one; `flips` are of new/old against old/old."""

    new: str
    old: str
    rule: dict[str, Rule]
    flips: Flips


@dataclass(frozen=True)
class Worth:
    """What the newest version is worth on one metric, `free` being a new model without any tie to the old one.

    `gain` is the update gain, `cost` M(new,new) - M(free,free), `scores` AdvBCT's of this one data set.
    """

    gain: Estimate
    cost: Estimate
    scores: Scores


@dataclass(frozen=True)
class Chain:
    """All versions on one metric: AC (strict), AM, and for how many of the pairs the interval shows the rule."""

    ac: float | None
    am: Estimate
    shown: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class VersionsReport:
    """The whole result of `hetvs evaluate --old`; every number is 0..1 and carries its interval.

    `versions` are named oldest first. `own` is the newest model with its full vector, `free` the new model
    without a tie; `worth` is None without the latter, by metric otherwise.
    """

    setup: Setup
    models: tuple[ModelFacts, ...]
    versions: tuple[str, ...]
    free: str | None
    own: str | None
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]
    worth: dict[str, Worth] | None
    chain: dict[str, Chain]
    notes: tuple[str, ...] = ()
    command: str = ""

    @property
    def holds(self) -> bool:
        """Whether every newer version's rule holds on mAP against every older one."""
        return all(step.rule["map"].verdict == "holds" for step in self.steps)

    def cell(self, query: str, gallery: str) -> Cell:
        """Return the cell of a (query model, gallery model) pair; ConfigError when it was not judged."""
        for found in self.cells:
            if (found.query, found.gallery) == (query, gallery):
                return found
        known = ", ".join(f"({c.query}, {c.gallery})" for c in self.cells)
        raise ConfigError(f"no cell ({query}, {gallery}); the report has: {known}")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; undefined numbers are null beside their reason."""
        return {"schema_version": SCHEMA_VERSION, "rule_holds_on_map": self.holds, **asdict(self)}
