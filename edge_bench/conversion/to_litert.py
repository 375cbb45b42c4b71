"""ONNX -> LiteRT: by way of torch."""

from __future__ import annotations

import sys
from pathlib import Path

from edge_bench.conversion.torch_module import torch_module


def convert(model_path: Path, folder: Path, size_px: int) -> None:
    """Write model.tflite."""
    import litert_torch

    with torch_module(model_path, size_px) as (module, example):
        litert_torch.convert(module, example).export(str(folder / "model.tflite"))


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
