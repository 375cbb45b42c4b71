"""Has a bundle become slower than in an earlier report? Ratios to the reference are compared, never milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_bench.figures import Spread
from edge_bench.report import BenchReport
from hetvs.errors import ConfigError, GateError

# Rounds of one process share its memory layout and its neighbours' load, so repeats differ by more than rounds do.
# At load 5 on 2 cores, 84 comparisons of equal models: one false alarm without this gap, none with it.
REPEAT_GAP = 0.05


@dataclass(frozen=True)
class Change:
    """One bundle in one runtime now and before, in units of the reference kernel."""

    name: str
    before: Spread
    now: Spread

    @property
    def slowdown(self) -> float:
        """Share by which the median grew; negative when the bundle became faster."""
        return self.now.median / self.before.median - 1

    @property
    def is_slower(self) -> bool:
        """True beyond the noise: the [p10, p90] over rounds lie more than 5 % apart."""
        return self.now.p10 > self.before.p90 * (1 + REPEAT_GAP)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.before.median:.3f} [{self.before.p10:.3f}, {self.before.p90:.3f}] -> "
            f"{self.now.median:.3f} [{self.now.p10:.3f}, {self.now.p90:.3f}] times the reference "
            f"({self.slowdown * 100:+.1f} %)"
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
    held = {(m.bundle, m.runtime) for m in before.measurements}
    both = [(m.bundle, m.runtime) for m in now.measurements if (m.bundle, m.runtime) in held]
    if not both:
        raise ConfigError("compare: the two reports share no bundle name in one runtime; name the same bundles")
    return [Change(" in ".join(key), before.figures(*key).ratio, now.figures(*key).ratio) for key in both]


def require_no_slowdown(changes: Sequence[Change]) -> None:
    """Raise GateError when a bundle is slower beyond the noise."""
    slower = [str(change) for change in changes if change.is_slower]
    if slower:
        raise GateError(
            f"slower than before, beyond the noise ([p10, p90] over rounds lie more than {REPEAT_GAP * 100:.0f} % "
            f"apart): {'; '.join(slower)}; measure again on a quiet host, or find the change"
        )
