"""MNN on the CPU, from a model that its converter made of the ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.runtimes.base import InProcess
from hetvs.errors import ArtifactError

INPUT, OUTPUT = "pixels", "embedding"


class MnnRuntime(InProcess):
    """MNN (final): the CPU backend in high precision, which is float32."""

    def __init__(self, model_path: Path, threads: int) -> None:
        import MNN

        self._mnn: Any = MNN
        options = {"backend": "CPU", "numThread": threads, "precision": "high"}
        manager: Any = MNN.nn.create_runtime_manager((options,))
        try:
            self._net: Any = MNN.nn.load_module_from_file(str(model_path), [INPUT], [OUTPUT], runtime_manager=manager)
        except Exception as error:  # MNN raises bare classes of its own for any bad file
            raise ArtifactError(f"{model_path}: MNN cannot load it: {error}") from error

    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector of one image."""
        expr = self._mnn.expr
        pixels = expr.const(pixels_BHWC, list(pixels_BHWC.shape), expr.NCHW, expr.uint8)
        return np.array(self._net.onForward([pixels])[0].read())  # the graph itself says NHWC: no format is implied

    def prepared(self, pixels_BHWC: np.ndarray) -> Callable[[], object]:
        """Return a call that runs one image."""
        return partial(self.run, pixels_BHWC)

    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options."""
        return {
            "runtime": "mnn",
            "version": self._mnn.version(),
            "provider": "CPU",
            "options": "float32, converted by MNN's converter",
        }
