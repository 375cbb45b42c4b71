"""OpenVINO on the CPU; it reads the ONNX file itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.runtimes.base import InProcess
from hetvs.errors import ArtifactError


class OpenVinoRuntime(InProcess):
    """OpenVINO (final): the CPU plugin, one stream, float32 where the hardware would choose bfloat16."""

    def __init__(self, model_path: Path, threads: int) -> None:
        import openvino

        self._version: str = openvino.__version__.partition("-")[0]
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            self._request: Any = openvino.Core().compile_model(str(model_path), "CPU", options).create_infer_request()
        except RuntimeError as error:
            raise ArtifactError(f"{model_path}: openvino cannot load it: {str(error).splitlines()[0][:160]}") from error

    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector of one image."""
        vector_BD: np.ndarray = self._request.infer({0: pixels_BHWC})[0].copy()  # a view of the next run's output
        return vector_BD

    def prepared(self, pixels_BHWC: np.ndarray) -> Callable[[], object]:
        """Return a call that runs one image."""
        return partial(self.run, pixels_BHWC)

    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options."""
        return {
            "runtime": "openvino",
            "version": self._version,
            "provider": "CPU",
            "options": "latency hint, one stream, float32",
        }
