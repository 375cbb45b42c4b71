"""Does the update rule hold through a map? A map that fits well may still find less than the old model did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hetvs.config import AdaptConfig
from hetvs.refresh.maps import SpaceMap
from hetvs.retrieval.columns import columns_of
from hetvs.retrieval.fidelity import cosines
from hetvs.retrieval.intervals import Estimate, choose_unit
from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.rules import Rule
from hetvs.retrieval.updates import backward_rule
from hetvs.retrieval.words import metric_name, percent

METRICS = ("recall@1", "map")


@dataclass(frozen=True)
class MapJudgement:
    """What a map finds on the judged split; dicts are by metric, "recall@1" and "map".

    `crossed` is M(new, mapped old) of a forward map and M(mapped new, old) of a backward one, `rule` its
    difference to M(old,old). `cosine` is the mean cosine of the mapped vectors to those that they stand for.
    """

    direction: str
    split: str
    queries: int
    crossed: dict[str, Estimate]
    old_old: dict[str, Estimate]
    new_new: dict[str, Estimate]
    rule: dict[str, Rule]
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """Return the verdict in words, one line per metric."""
        pair = "M(new, mapped old)" if self.direction == "forward" else "M(mapped new, old)"
        return [
            f"{metric_name(metric)} on {self.split}: the rule {pair} > M(old,old) is judged {rule.verdict!r}: "
            f"{percent(self.crossed[metric])} against {percent(self.old_old[metric])}, "
            f"difference {percent(rule.difference, signed=True)}; M(new,new) {percent(self.new_new[metric])}"
            for metric, rule in self.rule.items()
        ]


def judge_map(
    judged: Judged, space_map: SpaceMap, from_nD: np.ndarray, to_nD: np.ndarray, config: AdaptConfig
) -> MapJudgement:
    """Judge a map on the judged images, given their vectors (n, D) in the space where it begins and where it ends.

    Raises ManifestError when every query is skipped.
    """
    forward = config.direction == "forward"
    vectors = {"from": from_nD, "to": to_nD, "mapped": space_map.place(from_nD)}
    old, new = ("from", "to") if forward else ("to", "from")
    crossed = ("to", "mapped") if forward else ("mapped", "to")
    found = columns_of(judged, vectors, [crossed, (old, old), (new, new)], (1,), config.threads)
    unit = choose_unit(config.resample, len(found.positions), len(np.unique(found.labels)))
    samples = found.samples(unit=unit, draws=config.draws, seed=config.seed)
    return MapJudgement(
        direction=config.direction,
        split=config.split,
        queries=len(found.positions),
        crossed={metric: samples[*crossed, metric].estimate() for metric in METRICS},
        old_old={metric: samples[old, old, metric].estimate() for metric in METRICS},
        new_new={metric: samples[new, new, metric].estimate() for metric in METRICS},
        rule={metric: backward_rule(samples[*crossed, metric], samples[old, old, metric]) for metric in METRICS},
        cosine=float(cosines(vectors["mapped"], to_nD).mean()),
    )
