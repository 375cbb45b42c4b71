"""Every reward of a candidate, by its name: those of the judge, and those that need more than the supernet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.errors import ConfigError
from hetvs.models.embedder import Embedder
from hetvs.nas.judge import Judge
from hetvs.nas.points import card_of
from hetvs.nas.space import Architecture

CALIBRATION_IMAGES = 128
# model, card, calibration images, val images (both B H W C uint8) -> unit vectors of the val images
Int8 = Callable[[Embedder, ModelCard, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """What `Plan.reward` is read from. `family` are the val vectors (n, D) of deployed models, by name (R6)."""

    judge: Judge
    reward: str
    space: SpaceCard
    family: Mapping[str, np.ndarray] = field(default_factory=dict)
    int8: Int8 | None = None

    def quick(self, arch: Architecture) -> dict[str, float]:
        """Return the scores of a few images."""
        return self.judge.quick(arch)

    def full(self, arch: Architecture) -> dict[str, float]:
        """Return every score of the judge, and the reward asked for.

        R4 is R2; what differs is the cost that the search goes by. R6 is the least M of all ordered pairs of the
        cloud, the family and the candidate; R7 is R2 through the int8 graph.
        """
        found = self.judge.full(arch)
        found["R4"] = found["R2"]
        if self.reward == "R6":
            found["R6"] = self._worst_pair(arch)
        if self.reward == "R7":
            found["R7"] = self._after_int8(arch)
        return found

    def _worst_pair(self, arch: Architecture) -> float:
        evidence = self.judge.evidence
        own = evidence.validation.vectors(self.judge.subnet(arch), arch.img_size)
        vectors = {"cloud": evidence.gallery_nD, "candidate": own, **self.family}
        return min(self._map(vectors[q], vectors[g]) for q, g in permutations(vectors, 2))

    def _after_int8(self, arch: Architecture) -> float:
        if self.int8 is None:
            raise ConfigError("R7 needs the exporter, which no one handed in; search with `hetvs search-student`")
        evidence, model = self.judge.evidence, self.judge.subnet(arch)
        images = (evidence.train[arch.img_size][:CALIBRATION_IMAGES], evidence.validation.pixels(arch.img_size))
        calibration, pixels = (np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) for pixels in images)
        vectors = self.int8(model, card_of(model, arch, self.space, "candidate"), calibration, pixels)
        return self._map(vectors, evidence.gallery_nD)

    def _map(self, query_nD: np.ndarray, gallery_nD: np.ndarray) -> float:
        return self.judge.evidence.validation.metrics(query_nD, gallery_nD, "q,g")["val/q,g/map"]
