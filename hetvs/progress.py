"""The progress bars: of images, and of anything else that is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

Batch = TypeVar("Batch", bound=Sized)


def track(batches: Iterable[Batch], description: str) -> Iterator[Batch]:
    """Yield the batches under a progress bar on stderr that counts images, with rate and time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True, text_format="{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    batches = list(batches)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=sum(len(batch) for batch in batches), rate="")
        for batch in batches:
            yield batch
            progress.advance(task, len(batch))
            speed = progress.tasks[task].speed
            progress.update(task, rate=f"{speed:,.0f} images/s" if speed else "")


@contextmanager
def counted(total: int, description: str) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr and yield what it is told by: how many of `total` are done, what was found."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[found]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, found="")
        yield lambda done, found="": progress.update(task, completed=done, found=found)
