"""What every runtime offers to the benchmark."""

from __future__ import annotations

import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_bench.host import peak_rss_bytes
from edge_bench.measure import Block, measure


class Runtime(ABC):
    """One model loaded in one runtime; what makes it, "load" times."""

    @abstractmethod
    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector (1, D) float32 of one image (1, S, S, 3) uint8."""

    @abstractmethod
    def block(self, pixels_BHWC: np.ndarray, *, warmup: int, calls: int, inner: int) -> Block:
        """Time `calls` calls of `inner` runs each, one image a run and the images in turn.

        The clocks are read in the language that calls the runtime; `cpu_ns` is empty where that
        language has no clock of CPU time.
        """

    @abstractmethod
    def peak_rss_bytes(self) -> int | None:
        """Return the largest resident size so far of what runs the model; None where it is not known."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options, for the report."""

    @abstractmethod
    def close(self) -> None:
        """End the processes that the runtime started."""


class InProcess(Runtime):
    """A runtime that Python calls in the measuring process (abstract).

    Its library is imported where it is made, so that a module here can be read without the extra.
    """

    @abstractmethod
    def __init__(self, model_path: Path, threads: int) -> None:
        """Load the model with `threads` intra-op threads; ArtifactError when the runtime refuses it."""

    @abstractmethod
    def prepared(self, pixels_BHWC: np.ndarray) -> Callable[[], object]:
        """Return a call that runs one image: what is timed."""

    def block(self, pixels_BHWC: np.ndarray, *, warmup: int, calls: int, inner: int) -> Block:
        """Time the calls with this process' clocks."""
        prepared = [self.prepared(image[None]) for image in pixels_BHWC]
        in_turn = map(operator.call, itertools.cycle(prepared)).__next__  # no line of Python between clock and runtime
        return measure(in_turn, warmup=warmup, calls=calls, inner=inner)

    def peak_rss_bytes(self) -> int | None:
        """Return the peak of this process."""
        return peak_rss_bytes()

    def close(self) -> None:
        """Nothing was started."""
