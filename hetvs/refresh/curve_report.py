"""What was found on backfill curves: plain frozen data that serialises to JSON, and a table for a terminal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hetvs.card_fields import SCHEMA_VERSION
from hetvs.refresh.curve import Dip
from hetvs.retrieval.intervals import Estimate, Unit
from hetvs.retrieval.rules import Rule
from hetvs.retrieval.words import metric_name, percent


@dataclass(frozen=True)
class Curve:
    """M(new, gallery) over the share of refreshed images, in one order.

    `points` are read at `shares`. Of several `seeds` the curve is the mean, `band` the lowest and highest seed at
    each share, `area_band` those of the area. `above_old` and `above_start` are the lowest point against M(old,old)
    and against the curve's own start; `gains` the area less that of another curve, by its name.
    """

    name: str
    seeds: int
    shares: tuple[float, ...]
    points: tuple[Estimate, ...]
    band: tuple[tuple[float, float], ...]
    area: Estimate
    area_band: tuple[float, float]
    normalised_area: Estimate
    violations: int
    least_share: float
    above_old: Dip
    above_start: Dip
    gains: dict[str, Rule]


@dataclass(frozen=True)
class CurveReport:
    """The whole result of `hetvs backfill curve`; every number is 0..1, all intervals are of one bootstrap."""

    metric: str
    split: str
    protocol: str
    queries: int
    images: int
    resampled: Unit
    draws: int
    seed: int
    old_old: Estimate
    new_new: Estimate
    curves: tuple[Curve, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; undefined numbers are null beside their reason."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    def sentences(self) -> list[str]:
        """Return the report as lines of text."""
        name = metric_name(self.metric)
        lines = [
            f"{name}, {self.split} split, protocol {self.protocol}: {self.queries:,} queries, {self.images:,} images, "
            f"{self.draws:,} draws of {self.resampled}",
            f"M(old,old) {percent(self.old_old)}, M(new,new) {percent(self.new_new)}",
        ]
        for curve in self.curves:
            lines += ["", *_lines(curve)]
        return lines


def _lines(curve: Curve) -> list[str]:
    """Return what is said of one curve."""
    shown = "  ".join(
        f"{share:.2f}: {percent(Estimate(point.value))}"
        for share, point in zip(curve.shares, curve.points, strict=True)
    )
    normal = percent(curve.normalised_area) if curve.normalised_area.value is not None else curve.normalised_area.reason
    many = f" (mean of {curve.seeds} orders, {_band(curve.area_band)})" if curve.seeds > 1 else ""
    lines = [
        f"{curve.name}: {shown}",
        f"  area {percent(curve.area)}{many}, normalised {normal}; {curve.violations} times it falls; "
        f"99 % of M(new,new) at {curve.least_share:.2f}",
        f"  {_dip(curve.above_old, 'M(old,old)')}; {_dip(curve.above_start, 'its start')}",
    ]
    for other, rule in curve.gains.items():
        difference = percent(rule.difference, signed=True)
        lines.append(f"  area above that of {other}: {difference}, judged {rule.verdict!r}")
    return lines


def _dip(dip: Dip, level: str) -> str:
    """Return how far the lowest point of a curve is above a level."""
    found = percent(dip.rule.difference, signed=True)
    return f"lowest above {level} at {dip.share:.2f}: {found}, judged {dip.rule.verdict!r}"


def _band(band: tuple[float, float]) -> str:
    return f"{100 * band[0]:.1f} to {100 * band[1]:.1f}"
