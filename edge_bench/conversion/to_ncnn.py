"""ONNX -> ncnn, by the program inside the PyPI package pnnx."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path


def pnnx(model_path: Path, work: Path, size_px: int) -> None:
    """Convert a copy of the graph, work/model.onnx: pnnx writes its files beside its input."""
    spec = find_spec("pnnx")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pnnx")
    shutil.copyfile(model_path, work / "model.onnx")
    program = Path(spec.submodule_search_locations[0]) / "pnnx"
    shape = f"inputshape=[1,{size_px},{size_px},3]u8"
    subprocess.run([program, "model.onnx", shape, "fp16=0"], cwd=work, check=True, stdout=sys.stderr)


def convert(model_path: Path, folder: Path, size_px: int) -> None:
    """Write model.ncnn.param and model.ncnn.bin.

    ncnn has no layer for the cast of the pixels; its matrices are float32 already, so the cast becomes a Noop.
    """
    with tempfile.TemporaryDirectory() as work:
        pnnx(model_path, Path(work), size_px)
        layers = (Path(work) / "model.ncnn.param").read_text()
        (folder / "model.ncnn.param").write_text(layers.replace("Tensor.to ", "Noop      "))
        shutil.copyfile(Path(work) / "model.ncnn.bin", folder / "model.ncnn.bin")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
