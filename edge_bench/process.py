"""The parent's end of a worker process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any

from hetvs.errors import ArtifactError

# Read by the BLAS and OpenMP libraries when they load: it must be in the environment before Python starts.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


class Worker:
    """A fresh Python process that measures one bundle (final); a context manager, so that none is left behind."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "edge_bench.worker"],  # -P: a file of the user's folder shadows no module
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **ONE_THREAD},
            text=True,
        )

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order and wait for its answer; ArtifactError when the bundle is at fault or the process died."""
        assert self._process.stdin is not None  # both are pipes
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ArtifactError(f"bench: the process of {self._name} died: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ArtifactError(f"bench: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        """Return the last line the process wrote to stderr."""
        code = self._process.wait(timeout=10)
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else f"exit code {code}; is there memory left?"

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()
