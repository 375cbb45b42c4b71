"""VALID or INVALID, and why: what a ratio must show before it is believed."""

from __future__ import annotations

from edge_bench.figures import Figures, Spread
from edge_bench.steadiness import DRIFT_LIMIT

NOISE_LIMIT = 0.15  # a ratio whose [p10, p90] leaves +-15 % of its median says little
# Two runs of equal models on a busy host differ by up to a few percent however long each one is.
LEAST_SLOWDOWN = 0.08


def is_noisy(ratio: Spread) -> bool:
    """Say whether [p10, p90] leaves +-15 % of the median.

    >>> is_noisy(Spread(1.0, 0.86, 1.14)), is_noisy(Spread(1.0, 0.84, 1.0)), is_noisy(Spread(1.0, 1.0, 1.16))
    (False, True, True)
    """
    return ratio.p10 < ratio.median * (1 - NOISE_LIMIT) or ratio.p90 > ratio.median * (1 + NOISE_LIMIT)


def fault(ratio: Spread) -> str | None:
    """Return why a ratio is INVALID, None when it is VALID.

    >>> fault(Spread(1.0, 0.9, 1.1))
    >>> fault(Spread(1.0, 0.5, 1.1))
    'the ratio spreads from -50 % to +10 % over rounds (limit 15 %): quieten the host, add --rounds'
    """
    if not is_noisy(ratio):
        return None
    low, high = (f"{(edge / ratio.median - 1) * 100:+.0f} %" for edge in (ratio.p10, ratio.p90))
    limit = f"limit {NOISE_LIMIT * 100:.0f} %"
    return f"the ratio spreads from {low} to {high} over rounds ({limit}): quieten the host, add --rounds"


def fault_of(figures: Figures) -> str | None:
    """Return every reason why the figures are INVALID, None when they are VALID: spread, drift, noise floor."""
    reasons = [fault(figures.ratio)]
    if figures.drift.ratio_moved:
        moved = f"{(figures.drift.ratio - 1) * 100:+.0f} % from the first third of the rounds to the last"
        reasons.append(f"the ratio drifts by {moved} (limit {DRIFT_LIMIT * 100:.0f} %): measure again")
    if figures.noise_floor > NOISE_LIMIT:
        twin = f"a second process of the same bundle may differ by {figures.noise_floor * 100:.0f} %"
        reasons.append(f"{twin} (limit {NOISE_LIMIT * 100:.0f} %): quieten the host, add --rounds")
    return "; ".join(filter(None, reasons)) or None
