"""What every runtime offers to the benchmark."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np


class Runtime(ABC):
    """One model loaded in one runtime; made by its subclass' constructor, which is what "load" times."""

    @abstractmethod
    def __init__(self, model_path: Path, threads: int) -> None:
        """Load the model with `threads` intra-op threads; ArtifactError when the runtime refuses it."""

    @abstractmethod
    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector (1, D) float32 of one image (1, S, S, 3) uint8."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options, for the report."""
