"""Files that several processes need at once and only one should make."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from hetvs.arrays import save_array

POLL_S = 0.2


def make_missing(makers: Mapping[Path, Callable[[], np.ndarray]]) -> None:
    """Save the array of every path that is not there; return when all are, whoever made them.

    Processes that call this for the same paths at the same time divide them: a path is skipped while another
    process has its lock, and looked for again later. The kernel frees the locks of a killed process, so what it
    was making is made by another.
    """
    missing = [path for path in makers if not path.is_file()]
    while missing:
        left = [path for path in missing if not _is_made(path, makers[path])]
        if len(left) == len(missing):
            time.sleep(POLL_S)  # all in the hands of others
        missing = left


def _is_made(path: Path, make: Callable[[], np.ndarray]) -> bool:
    """Make the array of `path` unless somebody has made it, and False where somebody is at it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock")).acquire(blocking=False):
            if not path.is_file():
                save_array(path, make())
    except Timeout:
        return False
    return True
