"""Has a bundle become slower than in an earlier report? Ratios to the reference are compared, never milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_bench.guard import Interval, median_interval
from edge_bench.report import BenchReport
from edge_bench.verdict import LEAST_SLOWDOWN
from hetvs.errors import ConfigError, GateError


@dataclass(frozen=True)
class Change:
    """One bundle in one runtime now and before, in units of the reference kernel, with 95 % intervals.

    `noise_floor` is the larger one of the two runs: what the bundle differed by from itself.
    """

    name: str
    before: Interval
    now: Interval
    noise_floor: float

    @property
    def slowdown(self) -> float:
        """Share by which the median grew; negative when the bundle became faster."""
        return self.now.median / self.before.median - 1

    @property
    def is_slower(self) -> bool:
        """True when the median grew by more than 8 % and than the noise floor, and the intervals do not touch."""
        return self.slowdown > max(LEAST_SLOWDOWN, self.noise_floor) and self.now.low > self.before.high

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.before.median:.3g} [{self.before.low:.3g}, {self.before.high:.3g}] -> "
            f"{self.now.median:.3g} [{self.now.low:.3g}, {self.now.high:.3g}] times the reference "
            f"({self.slowdown * 100:+.1f} %; against itself it differs by up to {self.noise_floor * 100:.1f} %)"
        )


def compare(now: BenchReport, before: BenchReport) -> list[Change]:
    """Return the change of each bundle that both reports measured in the same runtime, matched by name.

    Raises ConfigError when the reports cannot be compared: no bundle in common, another CPU,
    another number of threads, or a reference kernel of another NumPy.
    """
    for what, was, now_is in (
        ("CPU", before.host.get("cpu"), now.host["cpu"]),
        ("NumPy, whose product is the reference,", before.host.get("numpy"), now.host["numpy"]),
        ("number of threads", before.config.threads, now.config.threads),
    ):
        if was != now_is:
            raise ConfigError(f"compare: another {what} then ({was}) than now ({now_is}); measure both reports alike")
    held = {(m.bundle, m.runtime): m for m in before.measurements}
    both = [(held[m.bundle, m.runtime], m) for m in now.measurements if (m.bundle, m.runtime) in held]
    if not both:
        raise ConfigError("compare: the two reports share no bundle name in one runtime; name the same bundles")
    return [
        Change(
            f"{m.bundle} in {m.runtime}",
            median_interval(was.samples.ratios()),
            median_interval(m.samples.ratios()),
            max(was.noise_floor, m.noise_floor),
        )
        for was, m in both
    ]


def require_no_slowdown(changes: Sequence[Change]) -> None:
    """Raise GateError when a bundle is slower beyond the noise."""
    slower = [str(change) for change in changes if change.is_slower]
    if slower:
        limit = f"more than {LEAST_SLOWDOWN * 100:.0f} %, more than the noise floor, intervals apart"
        raise GateError(f"slower than before ({limit}): {'; '.join(slower)}; find the change, or measure again")
