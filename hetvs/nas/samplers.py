"""Where the next architecture comes from: two evolutions that read their past from an optuna study.

Both draw from a generator of (seed, position of the candidate), so that a search killed at any candidate goes on as
if it had not been. optuna keeps the generations and, for the front, selects by NSGA-II (Deb et al., IEEE Trans. Evol.
Comput. 6(2), 2002).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import cache
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseGASampler, NSGAIISampler
from optuna.trial import FrozenTrial, TrialState

from hetvs.nas.breeding import Breeder
from hetvs.nas.space import Architecture, decode, encode

GENES, GENERATION = "genes", "generation"
POPULATION = 50
KEEP, CROSSED = 10, 25  # of 50: SPOS (Guo et al., arXiv 1904.00420); the other 25 are mutants


class GeneSampler(BaseGASampler, ABC):
    """A candidate is one architecture, held as an attribute: genes are no independent parameters."""

    _breeder: Breeder
    _seed: int

    @abstractmethod
    def breed(self, parents: list[Architecture], seen: set[Architecture], position: int) -> Architecture:
        """Return the candidate at `position`; `parents` are those of its generation, none in the first."""

    def rng(self, position: int) -> np.random.Generator:
        """Return the generator of the candidate at `position`."""
        return np.random.default_rng([self._seed, position])

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return nothing: genes are no independent parameters."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the next candidate: its genes as JSON, and the generation that it belongs to."""
        generation = self.get_trial_generation(study, trial)
        parents = [architecture_of(parent) for parent in self.get_parent_population(study, generation)]
        arch = self.breed(parents, architectures(study), position_of(study, trial))
        return {GENES: json.dumps(encode(arch)), GENERATION: generation}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Refuse: every gene comes from `sample_relative`."""
        raise NotImplementedError(f"{param_name} is no gene")


class FrontEvolution(GeneSampler, NSGAIISampler):
    """Cheap and good at once (final): NSGA-II chooses the parents, a child is crossed or mutated at even odds.

    The first candidate is the smallest architecture, the second the largest, where the budget allows it.
    """

    def __init__(self, breeder: Breeder, seed: int, population: int = POPULATION) -> None:
        NSGAIISampler.__init__(self, population_size=population, seed=seed)
        self._breeder, self._seed = breeder, seed

    def breed(self, parents: list[Architecture], seen: set[Architecture], position: int) -> Architecture:
        """Return a child of `parents`; without any, an end of the space or a fresh architecture."""
        rng, space = self.rng(position), self._breeder.space
        if parents:
            bred = self._breeder.crossed if rng.random() < CROSSED / POPULATION else self._breeder.mutated
            return bred(parents, seen, rng)
        end = {0: space.smallest(), 1: space.largest()}.get(position)
        usable = end is not None and end not in seen and self._breeder.allowed(end)
        return end if end and usable else self._breeder.fresh(seen, rng)


class PublishedEvolution(GeneSampler):
    """One score under a limit, as published (final): of all so far the best 10; 25 children crossed, 25 mutated."""

    def __init__(self, breeder: Breeder, seed: int) -> None:
        super().__init__(population_size=POPULATION)
        self._breeder, self._seed = breeder, seed

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the best of everything that earlier generations judged; of equals the earlier one."""
        judged = [trial for number in range(generation) for trial in self.get_population(study, number)]
        return sorted(judged, key=lambda trial: (-trial.values[0], trial.number))[:KEEP]

    def breed(self, parents: list[Architecture], seen: set[Architecture], position: int) -> Architecture:
        """Return a child of `parents`; without any, a fresh architecture."""
        rng = self.rng(position)
        if not parents:
            return self._breeder.fresh(seen, rng)
        bred = self._breeder.crossed if position % POPULATION < CROSSED else self._breeder.mutated
        return bred(parents, seen, rng)


def counted(study: Study) -> list[FrozenTrial]:
    """Return the candidates that did not fail, in the order in which they were asked for."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]


def position_of(study: Study, trial: FrozenTrial) -> int:
    """Return the number of a candidate among those that did not fail."""
    return sum(other.number < trial.number for other in counted(study))


def architecture_of(trial: FrozenTrial) -> Architecture:
    """Return the architecture of a candidate."""
    return decoded(trial.user_attrs[GENES])


def architectures(study: Study) -> set[Architecture]:
    """Return every architecture that was tried or is being tried."""
    return {architecture_of(trial) for trial in counted(study) if GENES in trial.user_attrs}


@cache  # every proposal asks for all that were tried
def decoded(genes: str) -> Architecture:
    """Return the architecture of genes as a candidate holds them."""
    return decode(json.loads(genes))
