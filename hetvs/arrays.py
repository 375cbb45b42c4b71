"""Arrays on disk: .npy without pickle, written whole, with a digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hetvs.errors import ArtifactError
from hetvs.files import atomic, digest_bytes


def save_array(path: Path, array: np.ndarray) -> None:
    """Write `array` as .npy, atomically, without pickle."""
    with atomic(path) as stream:
        np.save(stream, array, allow_pickle=False)


def load_array(path: Path) -> np.ndarray:
    """Read a .npy file without pickle; ArtifactError when it is missing or truncated."""
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not found") from None
    except (OSError, ValueError, EOFError, MemoryError) as error:  # a header may claim more than there is memory
        raise ArtifactError(f"{path}: not a readable .npy array: {error}") from error
    return array


def array_digest(array: np.ndarray) -> str:
    """Return the sha256 of an array's dtype, shape and bytes."""
    return digest_bytes(str(array.dtype).encode(), str(array.shape).encode(), np.ascontiguousarray(array).tobytes())
