"""Does the supernet rank as training alone does? Kendall's tau, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.errors import ConfigError
from hetvs.retrieval.intervals import Estimate, Sample

FEWEST = 8
WARN_BELOW = 0.5
DRAWS = 2000


@dataclass(frozen=True)
class Pairing:
    """One architecture: its score in the supernet and that of the same network trained alone."""

    name: str
    supernet: float
    alone: float


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Kendall's tau-b of two paired lists (Biometrika 33(3), 1945); None when one of them is constant.

    (concordant - discordant) / sqrt(pairs untied in first * pairs untied in second)

    >>> kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]), kendall_tau([1, 2, 3], [3, 2, 1]), kendall_tau([1, 1], [1, 2])
    (0.6666666666666666, -1.0, None)
    """
    upper = np.triu_indices(len(first), 1)
    a, b = (np.sign(np.subtract.outer(values, values))[upper] for values in (np.array(first), np.array(second)))
    untied = float(np.count_nonzero(a)) * float(np.count_nonzero(b))
    return float((a * b).sum() / untied**0.5) if untied else None


def tau_of(pairings: Sequence[Pairing], *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Return tau with the 95 % interval of a bootstrap over architectures; undefined when all scores are equal.

    A draw of which all scores are equal says nothing and is left out. ConfigError below 8 architectures.
    """
    if len(pairings) < FEWEST:
        raise ConfigError(f"{len(pairings)} stand-alone runs say nothing of a ranking; give {FEWEST} or more")
    scores_N2 = np.array([(pairing.supernet, pairing.alone) for pairing in pairings])
    value = kendall_tau(scores_N2[:, 0].tolist(), scores_N2[:, 1].tolist())
    if value is None:
        return Estimate(None, reason="all scores are equal")
    rng = np.random.default_rng(seed)
    drawn = [scores_N2[rng.integers(len(scores_N2), size=len(scores_N2))] for _ in range(draws)]
    taus = [kendall_tau(draw[:, 0].tolist(), draw[:, 1].tolist()) for draw in drawn]
    return Sample(value, np.array([tau for tau in taus if tau is not None])).estimate()
