"""ONNX -> torch module: the Python file that pnnx writes of a graph, executed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from edge_bench.conversion.to_ncnn import pnnx


@contextlib.contextmanager
def torch_module(model_path: Path, size_px: int) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Give the eval-mode module of an ONNX file and its example input, uint8 (1, S, S, 3)."""
    import torch

    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):  # the file reads its weights from here
        pnnx(model_path, Path(work), size_px)
        spec = spec_from_file_location("model_pnnx", Path(work) / "model_pnnx.py")
        if spec is None or spec.loader is None:
            raise FileNotFoundError("pnnx wrote no model_pnnx.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module.Model().eval(), (torch.zeros((1, size_px, size_px, 3), dtype=torch.uint8),)
