"""New architectures: drawn, crossed or mutated, inside the budget, and not seen before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from hetvs.errors import ConfigError
from hetvs.nas.space import Architecture, Space

CHANCE = 0.1  # of a gene to be drawn again: SPOS (Guo et al., arXiv 1904.00420)
TRIES = 100
STEPS = 30  # of the walk that draws where a budget leaves few architectures
STRIDE = 0.3  # chance of a gene to change in a step of it


@dataclass(frozen=True)
class Breeder:
    """Makes architectures of `space` for which `allowed` holds; what it makes depends on its arguments alone."""

    space: Space
    allowed: Callable[[Architecture], bool]

    def fresh(self, seen: Collection[Architecture], rng: np.random.Generator) -> Architecture:
        """Return a random architecture.

        Drawn uniformly; where the budget refuses nearly all, a random walk from the smallest one. ConfigError
        when nothing new is found.
        """
        return (
            self._first(lambda: self.space.sample(rng), seen)
            or self._first(lambda: self._walk(rng), seen)
            or self._exhausted(len(seen))
        )

    def crossed(
        self, parents: Sequence[Architecture], seen: Collection[Architecture], rng: np.random.Generator
    ) -> Architecture:
        """Return a child of two of `parents`, a random architecture when there is no new one."""

        def child() -> Architecture:
            a, b = rng.choice(len(parents), 2, replace=len(parents) < 2)
            return self.space.crossover(parents[a], parents[b], rng)

        return self._first(child, seen) or self.fresh(seen, rng)

    def mutated(
        self, parents: Sequence[Architecture], seen: Collection[Architecture], rng: np.random.Generator
    ) -> Architecture:
        """Return a mutant of one of `parents`, a random architecture when there is no new one."""

        def child() -> Architecture:
            return self.space.mutate(parents[int(rng.integers(len(parents)))], rng, chance=CHANCE)

        return self._first(child, seen) or self.fresh(seen, rng)

    def _first(self, make: Callable[[], Architecture], seen: Collection[Architecture]) -> Architecture | None:
        """Return the first of `TRIES` makes that is new and allowed."""
        made = (make() for _ in range(TRIES))
        return next((arch for arch in made if arch not in seen and self.allowed(arch)), None)

    def _walk(self, rng: np.random.Generator) -> Architecture:
        """Return where a walk of allowed steps from the smallest architecture ends."""
        here = self.space.smallest()
        for _ in range(STEPS):
            there = self.space.mutate(here, rng, chance=STRIDE)
            here = there if self.allowed(there) else here
        return here

    def _exhausted(self, count: int) -> Architecture:
        raise ConfigError(
            f"no new architecture of {self.space.name} fits the budget after {count}; raise it, or lower --candidates"
        )
