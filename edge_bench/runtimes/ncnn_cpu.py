"""ncnn on the CPU, from a model that pnnx made of the ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.runtimes.base import InProcess
from hetvs.errors import ArtifactError

INPUT, OUTPUT = "in0", "out0"  # pnnx renames the ends of every graph
HALVES = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")


class NcnnRuntime(InProcess):
    """ncnn (final): float32, no GPU. Its matrices are float32, so the cast of the pixels is part of a run."""

    def __init__(self, model_path: Path, threads: int) -> None:
        import ncnn

        self._ncnn: Any = ncnn
        self._net: Any = ncnn.Net()
        self._net.opt.num_threads = threads
        self._net.opt.use_vulkan_compute = False
        for half in HALVES:
            setattr(self._net.opt, half, False)
        weights = model_path.with_suffix(".bin")
        if self._net.load_param(str(model_path)) or self._net.load_model(str(weights)):
            raise ArtifactError(f"{model_path}: ncnn cannot load it; remove its folder, so that it is converted again")

    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector of one image."""
        pixels = pixels_BHWC[0].astype(np.float32)  # a name of its own: the matrix does not keep the array alive
        extractor = self._net.create_extractor()
        extractor.input(INPUT, self._ncnn.Mat(pixels))
        _, vector = extractor.extract(OUTPUT)
        return np.array(vector)[None]

    def prepared(self, pixels_BHWC: np.ndarray) -> Callable[[], object]:
        """Return a call that runs one image."""
        return partial(self.run, pixels_BHWC)

    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options."""
        return {
            "runtime": "ncnn",
            "version": self._ncnn.__version__,
            "provider": "CPU",
            "options": "float32, converted by pnnx",
        }
