"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.runtimes.base import InProcess
from hetvs.errors import ArtifactError

PROVIDER = "CPUExecutionProvider"


class OrtRuntime(InProcess):
    """ONNX Runtime (final): every graph optimisation, threads that do not spin, the CPU provider and no other."""

    def __init__(self, model_path: Path, threads: int) -> None:
        import onnxruntime

        self._version: str = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # cores may be shared
        options.log_severity_level = 4
        try:
            self.session: Any = onnxruntime.InferenceSession(str(model_path), options, providers=[PROVIDER])
        except Exception as error:  # onnxruntime raises bare classes of its own for any bad file
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ArtifactError(f"{model_path}: onnxruntime cannot load it: {line[:160]}") from error
        if self.session.get_providers() != [PROVIDER]:  # a missing provider falls back silently
            raise ArtifactError(f"{model_path}: onnxruntime runs it on {self.session.get_providers()}, not {PROVIDER}")
        self._name = self.session.get_inputs()[0].name

    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector of one image."""
        vector_BD: np.ndarray = self.session.run(None, {self._name: pixels_BHWC})[0]
        return vector_BD

    def prepared(self, pixels_BHWC: np.ndarray) -> Callable[[], object]:
        """Return a call that runs one image."""
        return partial(self.session.run, None, {self._name: pixels_BHWC})

    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options."""
        return {
            "runtime": "onnxruntime",
            "version": self._version,
            "provider": PROVIDER,
            "options": "graph optimisation ALL, spinning off, inter-op threads 1",
        }
