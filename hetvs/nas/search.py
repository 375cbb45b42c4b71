"""The search itself: ask for an architecture, look at it, tell; any number of workers at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.config import SearchConfig
from hetvs.nas.candidate import Candidate, best_of, judged
from hetvs.nas.costs import Budget, Costs, Pricing
from hetvs.nas.front import hypervolume
from hetvs.nas.history import History, Verdict
from hetvs.nas.space import Architecture, Space

NEIGHBOURS = 20  # in cost, that a candidate is compared with before it is judged in full
SCREENED_BY = "cosine"
Scores = Mapping[str, float]


@dataclass(frozen=True)
class Judges:
    """How an architecture is looked at: `quick` on few images without labels, `full` with the reward by its name."""

    quick: Callable[[Architecture], Scores]
    full: Callable[[Architecture], Scores]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is searched where: the same for every worker.

    `screened` is the share of candidates that are judged in full; 1 looks at none first.
    """

    space: Space
    pricing: Pricing
    budget: Budget
    reward: str
    candidates: int
    screened: float

    @classmethod
    def of(cls, space: Space, pricing: Pricing, config: SearchConfig, *, faithful: bool) -> Plan:
        """Return the plan of a search; ConfigError when nothing fits the budget. As published, all are judged."""
        budget = Budget(macs=config.max_macs, bytes=config.max_bytes, latency_ratio=config.max_latency_ratio)
        budget.require_reachable(space, pricing)
        return cls(
            space=space,
            pricing=pricing,
            budget=budget,
            reward=config.reward,
            candidates=config.candidates,
            screened=1.0 if faithful else config.screen,
        )

    def allowed(self, arch: Architecture) -> bool:
        """Say whether an architecture is within the budget."""
        return self.budget.allows(self.pricing.costs(arch))

    def cost(self, costs: Costs) -> float:
        """Return what counts as cost: latency where there is a table, else MACs."""
        return float(costs.macs if costs.latency_ratio is None else costs.latency_ratio)

    @property
    def most(self) -> float:
        """The cost up to which a hypervolume is taken: the limit, or that of the largest architecture."""
        limit = self.budget.macs if self.pricing.table is None else self.budget.latency_ratio
        return float(limit) or self.cost(self.pricing.costs(self.space.largest()))


@dataclass(frozen=True)
class Progress:
    """How far a search is, for the one line that shows it."""

    done: int
    generation: int
    best: float | None
    hypervolume: float

    @classmethod
    def of(cls, candidates: Sequence[Candidate], most: float) -> Progress:
        """Return the state of a search after these candidates."""
        best = best_of(candidates)
        return cls(
            done=len(candidates),
            generation=max((one.generation for one in candidates), default=0),
            best=best.reward if best else None,
            hypervolume=hypervolume([one.point for one in judged(candidates)], most),
        )

    def __str__(self) -> str:
        best = "-" if self.best is None else f"{self.best:.4f}"
        return f"generation {self.generation}  best {best}  hypervolume {self.hypervolume:.4f}"


def work(history: History, plan: Plan, judges: Judges, heard: Callable[[Progress], None]) -> None:
    """Look at candidates until `plan.candidates` were asked for by all workers together.

    A candidate that cannot be judged is given up, and the error passes on.
    """
    while history.count() < plan.candidates:
        asked = history.ask()
        try:
            history.tell(asked, look(asked.arch, history.candidates(), plan, judges))
        except BaseException:
            history.fail(asked)
            raise
        heard(Progress.of(history.candidates(), plan.most))


def look(arch: Architecture, earlier: Sequence[Candidate], plan: Plan, judges: Judges) -> Verdict:
    """Return what is found of an architecture: in full, unless a few images say that it is not among the better."""
    costs = plan.pricing.costs(arch)
    cost = plan.cost(costs)
    quick: Scores = {}
    if plan.screened < 1:
        quick = judges.quick(arch)
        known = [(one.cost, one.scores[f"quick {SCREENED_BY}"]) for one in earlier]
        if not is_promising((cost, quick[SCREENED_BY]), known, plan.screened):
            return Verdict(costs, cost, _quick(quick), None)
    full = judges.full(arch)
    return Verdict(costs, cost, {**_quick(quick), **full}, full[plan.reward])


def is_promising(own: tuple[float, float], known: Sequence[tuple[float, float]], share: float) -> bool:
    """Say whether a (cost, score) is in the best `share` of its 20 neighbours in cost; of fewer, everything is.

    >>> known = [(float(n), n / 100) for n in range(1, 41)]
    >>> is_promising((30.0, 0.31), known, 0.5), is_promising((30.0, 0.2), known, 0.5), is_promising((1, 0), [], 0.5)
    (True, False, True)
    """
    if len(known) < NEIGHBOURS:
        return True
    near = sorted(known, key=lambda other: (abs(math.log(other[0] / own[0])), other))[:NEIGHBOURS]
    return own[1] >= float(np.quantile([score for _, score in near], 1 - share))


def _quick(scores: Scores) -> dict[str, float]:
    return {f"quick {name}": value for name, value in scores.items()}
