"""ExecuTorch with XNNPACK on the CPU. Its Python binding takes and gives torch tensors: torch is in its process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.runtimes.base import InProcess
from hetvs.errors import ArtifactError


class ExecuTorchRuntime(InProcess):
    """ExecuTorch (final); the only runtime whose process holds torch, which the report says."""

    def __init__(self, model_path: Path, threads: int) -> None:
        import torch
        from executorch.runtime import Runtime

        torch.set_num_threads(threads)
        self._tensor = torch.from_numpy
        try:
            self._method: Any = Runtime.get().load_program(str(model_path)).load_method("forward")
        except RuntimeError as error:
            raise ArtifactError(f"{model_path}: executorch cannot load it: {str(error).splitlines()[0]}") from error

    def run(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the vector of one image."""
        vector_BD: np.ndarray = self._method.execute([self._tensor(pixels_BHWC)])[0].numpy().copy()
        return vector_BD

    def prepared(self, pixels_BHWC: np.ndarray) -> Callable[[], object]:
        """Return a call that runs one image."""
        return partial(self.run, pixels_BHWC)

    def facts(self) -> dict[str, str]:
        """Return name, version, execution provider and options."""
        return {
            "runtime": "executorch",
            "version": version("executorch"),
            "provider": "XNNPACK",
            "options": "float32, converted by pnnx and torch.export; its own number of threads; torch in its process",
        }
