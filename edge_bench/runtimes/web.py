"""onnxruntime-web: WebAssembly, in whatever runs JavaScript."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.host import peak_rss_of_children
from edge_bench.measure import Block
from edge_bench.runtimes.base import Runtime
from hetvs.errors import ArtifactError

SCRIPTS = Path(__file__).parents[1] / "web"


class Engine(ABC):
    """A process that runs web/contender.mjs."""

    @abstractmethod
    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send an order and wait for its answer; ArtifactError when the process is gone."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Return name, provider and options of the runtime."""

    @abstractmethod
    def close(self) -> None:
        """End the process."""


class WebRuntime(Runtime):
    """onnxruntime-web (final) in an engine; the clocks are read in JavaScript."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._version = self._ask(load={"threads": threads})["version"]

    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector of one image."""
        return np.array([self._ask(run=_text(pixels_BHWC))["vector"]], np.float32)

    def block(self, pixels_BHWC: np.ndarray, *, warmup: int, calls: int, inner: int) -> Block:
        """Time the calls in JavaScript; the images are sent before the clock starts."""
        images = [_text(image) for image in pixels_BHWC]
        answer = self._ask(block={"images": images, "warmup": warmup, "calls": calls, "inner": inner})
        return Block(tuple(answer["wall_ns"]), tuple(answer["cpu_ns"]))

    def peak_rss_bytes(self) -> int | None:
        """Return the peak of the engine; of several processes their sum, shared pages counted in each."""
        return peak_rss_of_children()

    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options."""
        return {**self._engine.facts(), "version": self._version}

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _ask(self, **order: Any) -> dict[str, Any]:
        """Send an order; ArtifactError when JavaScript threw."""
        answer = self._engine.ask(order)
        if "error" in answer:
            raise ArtifactError(f"onnxruntime-web: {answer['error'][:200]}")
        return answer


def _text(pixels: np.ndarray) -> str:
    """Return the bytes of an image as base64."""
    return base64.b64encode(pixels.tobytes()).decode()
