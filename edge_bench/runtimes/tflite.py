"""LiteRT (once TensorFlow Lite) on the CPU, from a model that litert-torch made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.runtimes.base import InProcess
from hetvs.errors import ArtifactError


class LiteRtRuntime(InProcess):
    """LiteRT (final): the interpreter with its XNNPACK delegate."""

    def __init__(self, model_path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter: Any = Interpreter(model_path=str(model_path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"{model_path}: litert cannot load it: {str(error).splitlines()[0][:160]}") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector of one image."""
        self._interpreter.set_tensor(self._input, pixels_BHWC)
        self._interpreter.invoke()
        vector_BD: np.ndarray = self._interpreter.get_tensor(self._output)
        return vector_BD

    def prepared(self, pixels_BHWC: np.ndarray) -> Callable[[], object]:
        """Return a call that runs one image."""
        return partial(self.run, pixels_BHWC)

    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options."""
        return {
            "runtime": "litert",
            "version": version("ai-edge-litert"),
            "provider": "CPU with XNNPACK",
            "options": "float32, converted by pnnx and litert-torch",
        }
