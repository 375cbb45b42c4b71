"""ONNX -> ExecuTorch: by way of torch, lowered to XNNPACK."""

from __future__ import annotations

import sys
from pathlib import Path

from edge_bench.conversion.torch_module import torch_module


def convert(model_path: Path, folder: Path, size_px: int) -> None:
    """Write model.pte."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with torch_module(model_path, size_px) as (module, example):
        exported = torch.export.export(module, example)
        lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        (folder / "model.pte").write_bytes(lowered.to_executorch().buffer)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
