"""What every drawn data set does with its list of drawings: write the images that are not there yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from hetvs.files import write_bytes

CHUNK = 64  # drawings between two ticks of a progress bar
WRITERS = 8  # what overlaps is waiting for the disk (fsync); the renderers hold the GIL

D = TypeVar("D")


def draw_missing(
    folder: Path,
    wanted: Sequence[D],
    path_of: Callable[[D], str],
    draw: Callable[[D], bytes],
    track: Callable[[list[Sequence[D]]], Iterable[Sequence[D]]],
) -> None:
    """Write the image of each drawing below `folder`, unless a run before has done so.

    `draw` returns the bytes of an image file and is called in this thread only. `track` may wrap the
    chunks of drawings in a progress bar.
    """

    def missing(path: Path) -> bool:
        return not (path.is_file() and path.stat().st_size)

    chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
    with ThreadPoolExecutor(WRITERS) as pool:
        for chunk in track(chunks):
            paths = {folder / path_of(drawing): drawing for drawing in chunk}
            writes = [pool.submit(write_bytes, path, draw(paths[path])) for path in paths if missing(path)]
            for write in writes:
                write.result()
