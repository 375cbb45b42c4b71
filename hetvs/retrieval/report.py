"""What the judge found: plain frozen data that serialises to JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hetvs.card_fields import SCHEMA_VERSION
from hetvs.errors import ConfigError
from hetvs.retrieval.breakdown import Slice
from hetvs.retrieval.certificate_judge import Certificate
from hetvs.retrieval.flips import Flips
from hetvs.retrieval.intervals import Estimate, Unit
from hetvs.retrieval.matrix import Kind
from hetvs.retrieval.open_judge import OpenSet
from hetvs.retrieval.prefix_judge import Prefix
from hetvs.retrieval.protocols import ClassOverlap
from hetvs.retrieval.rules import Rule


@dataclass(frozen=True)
class Setup:
    """What was judged, and how: enough to repeat it.

    `ids_digest` is the sha256 of the judged image ids, `skipped` counts queries without a relevant item,
    `rows` is the filter COLUMN=VALUE of all judged images and `by` the column of the slices, or empty.
    """

    manifest: str
    ids_digest: str
    protocol: str
    description: str
    split: str
    rows: str
    by: str
    images: int
    queries: int
    skipped: int
    classes: ClassOverlap
    resampled: Unit
    draws: int
    seed: int


@dataclass(frozen=True)
class ModelFacts:
    """Who took part. `cost_ratio` is paragon MACs / MACs of this model; what no card says is None."""

    name: str
    role: str
    source: str
    space_id: str
    model_digest: str
    vectors_digest: str
    dim: int
    macs: int | None
    parameters: int | None
    cost_ratio: float | None


@dataclass(frozen=True)
class Cell:
    """M(query, gallery) per metric; `metrics` is empty when `reason` says why there is no number."""

    query: str
    gallery: str
    kind: Kind
    metrics: dict[str, Estimate]
    ties: int = 0
    reason: str = ""

    def __getitem__(self, metric: str) -> float:
        """Return the value of a metric; ConfigError when the cell does not have it."""
        value = self.metrics[metric].value if metric in self.metrics else None
        if value is None:
            known = ", ".join(self.metrics) or f"none, {self.reason}"
            raise ConfigError(f"cell ({self.query}, {self.gallery}) has no {metric!r}; it has: {known}")
        return value


@dataclass(frozen=True)
class Example:
    """One query: its average precision here and for the paragon, and both first answers by id."""

    query: str
    ap: float
    paragon_ap: float
    answers: tuple[str, ...]
    paragon_answers: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """What is said of one query model q against the gallery model g; dicts are keyed by metric.

    `fidelity` holds cosine, overlap@10 and top_1_agreement, `cosine_quantiles` the spread of the first;
    `slices` say the same by the column `Setup.by`, and are empty without one.
    """

    query: str
    gallery: str
    rule: dict[str, Rule]
    retention: dict[str, Estimate]
    recovery: dict[str, Estimate]
    fidelity: dict[str, Estimate]
    cosine_quantiles: dict[str, float]
    flips: Flips
    slices: tuple[Slice, ...]
    worst: tuple[Example, ...]
    best: tuple[Example, ...]


@dataclass(frozen=True)
class Report:
    """The whole result of `hetvs evaluate`; every number is 0..1 and carries its interval."""

    setup: Setup
    models: tuple[ModelFacts, ...]
    cells: tuple[Cell, ...]
    judgements: tuple[Judgement, ...]
    open_set: tuple[OpenSet, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""

    def cell(self, query: str, gallery: str) -> Cell:
        """Return the cell of a (query model, gallery model) pair; ConfigError when it was not judged."""
        for found in self.cells:
            if (found.query, found.gallery) == (query, gallery):
                return found
        known = ", ".join(f"({c.query}, {c.gallery})" for c in self.cells)
        raise ConfigError(f"no cell ({query}, {gallery}); the report has: {known}")

    def judgement(self, query: str) -> Judgement:
        """Return what is said of one query model; ConfigError when it was not judged."""
        for found in self.judgements:
            if found.query == query:
                return found
        raise ConfigError(f"no query model {query!r}; the report has: {', '.join(j.query for j in self.judgements)}")

    @property
    def holds(self) -> bool:
        """Whether every query model's rule holds on mAP."""
        return all(judgement.rule["map"].verdict == "holds" for judgement in self.judgements)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; undefined numbers are null beside their reason."""
        return {"schema_version": SCHEMA_VERSION, "rule_holds_on_map": self.holds, **asdict(self)}
