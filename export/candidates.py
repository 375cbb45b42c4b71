"""Ways to make a graph int8 that give the same vector on every CPU. No torch here.

x86 without VNNI adds pairs of products in 16 bits and saturates: u8 * s8 at full range overflows where
ARM and wasm do not (cosine 0.95 between the two, measured). Two ways cannot overflow: signed weights of
7 bits (255 * 64 * 2 < 2^15), and unsigned weights, which every kernel widens first.

What runs in floating point *before* a value is rounded to 8 bits is another way to differ: sums in
another order move a value across the border of a bin. So no candidate keeps the first convolution in
float, and none rounds the pooled features: the projection has int8 weights and float arithmetic. Sums are
kept apart from their rounding (`export.quantise`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

Weights = Literal["s8-7bit", "u8"]
Calibration = Literal["minmax", "percentile", "entropy"]
CALIBRATIONS: tuple[Calibration, ...] = ("minmax", "percentile", "entropy")


@dataclass(frozen=True)
class Candidate:
    """One way: activations are uint8, `weights` as named, with a scale per output channel or per tensor.

    `calibration` chooses the range of each activation.
    """

    weights: Weights
    per_channel: bool
    calibration: Calibration

    @property
    def name(self) -> str:
        """A name for cards and tables.

        >>> Candidate("u8", False, "minmax").name
        'u8-tensor-minmax'
        """
        return f"{self.weights}-{'channel' if self.per_channel else 'tensor'}-{self.calibration}"


_SCHEMES: tuple[tuple[Weights, bool], ...] = (("s8-7bit", True), ("u8", True), ("s8-7bit", False), ("u8", False))
CANDIDATES = tuple(Candidate(*scheme, how) for scheme, how in itertools.product(_SCHEMES, CALIBRATIONS))
