"""The npm package onnxruntime-web, pinned: fetched once, and the files of it that a bench needs."""

from __future__ import annotations

import tarfile
from pathlib import Path

from hetvs.datasets.npm import Package, fetch_packages
from hetvs.datasets.packages import cache_folder
from hetvs.errors import DatasetError
from hetvs.files import new_folder

PACKAGE = Package("onnxruntime-web", "1.30.0", "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71")
LIBRARY, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
GLUE = "ort-wasm-simd-threaded.mjs"  # Node wants it as a file, in a page the library brings its own


def unpacked() -> Path:
    """Return the folder that `unpack` fills."""
    return cache_folder() / f"{PACKAGE.name}-{PACKAGE.version}"


def unpack() -> Path:
    """Fetch, verify and unpack what the cache lacks; DatasetError when npm or the network is missing."""
    folder = unpacked()
    if not folder.is_dir():
        (tarball,) = fetch_packages([PACKAGE], cache_folder() / "npm")
        with tarfile.open(tarball) as archive, new_folder(folder) as temporary:
            for name in (LIBRARY, WASM, GLUE):
                stream = archive.extractfile(f"package/dist/{name}")
                if stream is None:
                    raise DatasetError(f"{tarball}: holds no {name}; delete the file and fetch again")
                (temporary / name).write_bytes(stream.read())
    return folder
