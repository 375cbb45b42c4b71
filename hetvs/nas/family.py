"""A family of models in one space: may each ask the gallery of every stronger one?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import permutations, product
from typing import Any

import numpy as np

from hetvs.manifest import Manifest
from hetvs.retrieval.columns import columns_of
from hetvs.retrieval.intervals import ROUNDING, Estimate, choose_unit
from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.protocols import Group, Protocol
from hetvs.retrieval.rules import Rule, heterogeneous_rule
from hetvs.settings import require

METRIC = "map"
DRAWS = 2000


@dataclass(frozen=True)
class OrderedPair:
    """A weaker model that asks the gallery of a stronger one, and the rule M(q,g) > M(q,q)."""

    query: str
    gallery: str
    rule: Rule


@dataclass(frozen=True)
class Family:
    """M(q, g) of every model against every other, and the rule for each ordered pair (weaker, stronger).

    Which of two is stronger is said by M(x, x); models that are equal in it make no pair.
    """

    names: tuple[str, ...]
    scores: Mapping[tuple[str, str], Estimate]
    pairs: tuple[OrderedPair, ...]

    @property
    def satisfied(self) -> float | None:
        """The share of ordered pairs with M(q,g) > M(q,q); None without any pair."""
        return self._share(lambda pair: (pair.rule.difference.value or 0.0) > ROUNDING)

    @property
    def shown(self) -> float | None:
        """The share of ordered pairs whose interval says so; None without any pair."""
        return self._share(lambda pair: pair.rule.verdict == "holds")

    def _share(self, holds: Callable[[OrderedPair], bool]) -> float | None:
        return float(np.mean([holds(pair) for pair in self.pairs])) if self.pairs else None

    def to_json(self) -> dict[str, Any]:
        """Return the matrix, the pairs and both shares."""
        return {
            "metric": METRIC,
            "models": list(self.names),
            "matrix": [{"query": q, "gallery": g, **asdict(found)} for (q, g), found in self.scores.items()],
            "pairs": [asdict(pair) for pair in self.pairs],
            "satisfied": self.satisfied,
            "shown": self.shown,
        }


def everyone_asks(manifest: Manifest, split: str, where: str = "") -> Protocol:
    """Return who asks whom while a model is chosen: the images of each domain all other domains.

    Where there is one domain, or none is known, each image asks all others. ConfigError for an empty split.
    """
    rows = manifest.rows(split, where)
    require(len(rows) > 0, f"{manifest.source}: split {split!r} has no rows to judge a search on")
    domains = manifest.domains[rows]
    named = np.unique(domains)
    if len(named) == 1:
        return Protocol("all", "each image asks all others", split, (Group(rows, rows),), where)
    groups = tuple(Group(rows[domains == name], rows[domains != name]) for name in named)
    return Protocol("B", "the images of each domain ask all images of the other domains", split, groups, where)


def judge_family(judged: Judged, vectors: Mapping[str, np.ndarray], *, seed: int = 0) -> Family:
    """Return the matrix of aligned vectors (n, D) by model name, all of one space, with paired intervals."""
    names = tuple(vectors)
    columns = columns_of(judged, dict(vectors), list(product(names, names)), (1,))
    unit = choose_unit("auto", len(columns.positions), len(np.unique(columns.labels)))
    samples = columns.samples(unit=unit, draws=DRAWS, seed=seed)
    score = {(q, g): samples[q, g, METRIC] for q, g in product(names, names)}
    weaker = [(q, g) for q, g in permutations(names, 2) if score[q, q].value < score[g, g].value - ROUNDING]
    return Family(
        names=names,
        scores={pair: sample.estimate() for pair, sample in score.items()},
        pairs=tuple(OrderedPair(q, g, heterogeneous_rule(score[q, g], score[q, q])) for q, g in weaker),
    )
