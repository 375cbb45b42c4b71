"""ONNX file -> the format of another runtime: a process of its own, once per file.

A module here is run as `python -m edge_bench.conversion.to_... MODEL.onnx FOLDER SIZE_PX` and fills the folder
with what the runtime loads. It may import torch: it never measures.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from hetvs.artifacts import EdgeBundle
from hetvs.datasets.packages import cache_folder
from hetvs.errors import ArtifactError
from hetvs.files import digest_file, new_folder

TIMEOUT_S = 900
REVISION = 1  # raised when a converter here changes what it writes


def converted(bundle: EdgeBundle, converter: str, package: str, name: str) -> Path:
    """Return the file `name` of the bundle's graph as the module `converter` writes it, from the cache or anew.

    The cache is keyed by the digest of model.onnx, the converter with its revision, and the version of
    the PyPI `package` that does the work. Raises ArtifactError when the conversion fails.
    """
    kind = f"{converter.rpartition('to_')[2]}{REVISION}"
    folder = cache_folder() / "converted" / f"{digest_file(bundle.model_path)[:32]}-{kind}-{version(package)}"
    if not folder.is_dir():
        with new_folder(folder, overwrite=True) as temporary:  # two commands may convert at once: both are right
            _run(converter, bundle, temporary)
            if not (temporary / name).is_file():
                raise ArtifactError(f"{bundle.model_path}: {converter} wrote no {name}")
    return folder / name


def _run(converter: str, bundle: EdgeBundle, folder: Path) -> None:
    """Run the converter; its last line of stderr, or of stdout, is the reason of a failure."""
    size = str(bundle.card.preprocess.size_px)
    command = [sys.executable, "-P", "-m", converter, str(bundle.model_path.resolve()), str(folder.resolve()), size]
    try:  # in the temporary folder: some converters leave files where they run
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise ArtifactError(f"{bundle.model_path}: {converter} took more than {TIMEOUT_S} s") from None
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"exit code {done.returncode}"]
        raise ArtifactError(f"{bundle.model_path}: {converter} failed: {lines[-1][:200]}")
