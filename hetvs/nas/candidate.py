"""One architecture of a search: what it costs and how it scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hetvs.nas.costs import Costs
from hetvs.nas.front import front
from hetvs.nas.space import Architecture

State = Literal["judged", "screened"]  # screened: seen on few images, and left


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A candidate that was looked at; `scores` of a screened one are those of the few images.

    `reward` and `cost` are what the search goes by: high and low. A screened candidate has no reward.
    """

    number: int
    generation: int
    state: State
    arch: Architecture
    costs: Costs
    scores: Mapping[str, float]
    cost: float
    reward: float | None

    @property
    def point(self) -> tuple[float, float]:
        """Cost and reward of a judged candidate."""
        assert self.reward is not None
        return self.cost, self.reward


def judged(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return those with a reward."""
    return [candidate for candidate in candidates if candidate.reward is not None]


def front_of(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the Pareto front of the judged candidates, cheapest first."""
    return front(judged(candidates), lambda candidate: candidate.point)


def best_of(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the candidate of the highest reward, of equals the cheapest; None when none is judged."""
    return min(judged(candidates), key=lambda one: (-one.point[1], one.cost, one.number), default=None)
