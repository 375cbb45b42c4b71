"""What a run writes while it trains: metrics.jsonl, a progress bar on stderr, TensorBoard if there."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from hetvs.files import write_text

METRICS_NAME = "metrics.jsonl"


class Record:
    """Appends one JSON line a call and moves the bar; use it as a context manager."""

    def __init__(self, folder: Path, title: str, images: int, done: int = 0) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._file = folder / METRICS_NAME
        columns = "[bold]{task.description}", "{task.fields[speed]}", "{task.fields[note]}"
        text = [TextColumn(column) for column in columns]
        self._bar = Progress(text[0], BarColumn(), *text[1:], TimeRemainingColumn(), console=Console(stderr=True))
        self._task = self._bar.add_task(title, total=images, completed=done, speed="", note="")
        self._board: Any = None
        if find_spec("tensorboard") is not None:
            self._board = import_module("torch.utils.tensorboard").SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> Record:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._board is not None:
            self._board.close()

    def advance(self, images: int, images_per_s: float, note: str) -> None:
        """Move the bar by `images`."""
        self._bar.update(self._task, advance=images, speed=f"{images_per_s:,.0f} images/s", note=note)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append one line `{"step": ..., name: value, ...}`."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)


def forget_after(folder: Path, step: int) -> None:
    """Drop metrics of steps after `step`: a resumed run writes them again."""
    path = folder / METRICS_NAME
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        write_text(path, "".join(kept))
