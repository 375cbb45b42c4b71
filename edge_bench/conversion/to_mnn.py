"""ONNX -> MNN."""

from __future__ import annotations

import sys
from pathlib import Path


def convert(model_path: Path, folder: Path) -> None:
    """Write model.mnn.

    The converter is called as a function: the program `mnnconvert` installs a package of telemetry when it starts.
    """
    import _tools  # of the package MNN

    output = folder / "model.mnn"
    _tools.mnnconvert(
        ["", "-f", "ONNX", "--modelFile", str(model_path), "--MNNModel", str(output), "--bizCode", "hetvs"]
    )


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
