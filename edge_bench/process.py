"""The parent's end of a worker process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import psutil

from edge_bench.lines import exchange
from hetvs.errors import ArtifactError

# Read by the BLAS and OpenMP libraries when they load: it must be in the environment before Python starts.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
COMMAND = (sys.executable, "-P", "-m", "edge_bench.worker")  # -P: a file of the user's folder shadows no module
GOODBYE_S = 10  # time to end a browser and to remove its profile


class Worker:
    """A fresh Python process that measures one bundle (final); a context manager, so that none is left behind."""

    def __init__(self, name: str, command: Sequence[str] = COMMAND) -> None:
        self._name = name
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **ONE_THREAD},
            text=True,
        )

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order and wait for its answer; ArtifactError when the bundle is at fault or the process died."""
        answer = exchange(self._process, order)
        if answer is None:
            raise ArtifactError(f"the process of {self._name} died: {self._last_words()}")
        if "error" in answer:
            raise ArtifactError(answer["error"])
        return answer

    def close(self) -> None:
        """Let the process end what it started, then end it and whatever it left."""
        if self._stderr.closed:
            return
        below = psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []
        with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
            self._process.communicate(timeout=GOODBYE_S)  # closes stdin: the sign to leave
        self._process.kill()
        for process in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._stderr.close()

    def _last_words(self) -> str:
        """Return the last line the process wrote to stderr, and the signal that ended it."""
        code = self._process.wait(timeout=GOODBYE_S)
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        by_signal = f"signal {-code}" if code < 0 else ""
        said = [by_signal, lines[-1][:200] if lines else ""]
        return ": ".join(filter(None, said)) or f"exit code {code}; is there memory left?"

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
