"""Two systems on the same items: how often each is right, and which answers changed sides."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hetvs.config import CompareConfig
from hetvs.retrieval import flips
from hetvs.retrieval.flips import Flips
from hetvs.retrieval.intervals import Estimate, Unit, bootstrap, choose_unit
from hetvs.retrieval.words import p_value, percent


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What `new` does to the right answers of `old`, on the same items; shares are 0..1 with their intervals.

    `measure` is what being right means, "accuracy" or "recall@k"; `difference` is new - old.
    """

    old: str
    new: str
    measure: str
    items: int
    classes: int
    resampled: Unit
    old_right: Estimate
    new_right: Estimate
    difference: Estimate
    flips: Flips

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; undefined numbers are null beside their reason."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Return what a page or a terminal shows: names, and numbers in percent."""
        f = self.flips
        return [
            (f"{self.measure}, {self.old}", percent(self.old_right)),
            (f"{self.measure}, {self.new}", percent(self.new_right)),
            ("difference", percent(self.difference, signed=True)),
            ("NFR", percent(f.nfr)),
            ("PFR", percent(f.pfr)),
            ("relative NFR", percent(f.relative_nfr)),
            ("NFI", percent(f.nfi)),
            ("PFI", percent(f.pfi)),
            ("backward trust", percent(f.backward_trust)),
            ("McNemar p", p_value(f.mcnemar_p)),
        ]


@dataclass(frozen=True)
class Bits:
    """M items, and whether each of two systems is right on them (boolean)."""

    ids_M: np.ndarray
    labels_M: np.ndarray
    old_M: np.ndarray
    new_M: np.ndarray


def compare(bits: Bits, names: tuple[str, str], measure: str, config: CompareConfig, k: int = flips.K) -> Comparison:
    """Count the flips of `bits` between the systems called `names`, old first, with one bootstrap of all figures."""
    columns = flips.per_query(bits.old_M, bits.new_M)
    classes = len(np.unique(bits.labels_M))
    unit = choose_unit(config.resample, len(bits.ids_M), classes)
    values_MC = np.column_stack(list(columns.values()))
    found = bootstrap(values_MC, bits.labels_M, unit=unit, draws=config.draws, seed=config.seed)
    samples = dict(zip(columns, found, strict=True))
    return Comparison(
        old=names[0],
        new=names[1],
        measure=measure,
        items=len(bits.ids_M),
        classes=classes,
        resampled=unit,
        old_right=samples["reference_right"].estimate(),
        new_right=samples["new_right"].estimate(),
        difference=(samples["new_right"] - samples["reference_right"]).estimate(),
        flips=flips.flips_of(bits.ids_M, columns, samples, k),
    )
