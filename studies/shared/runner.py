"""Run jobs, some at a time, until all are done: a kill loses minutes, a failure stops only what needs it."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from studies.shared.jobs import Job

ROOT = Path(__file__).parents[2]
POLL_SECONDS = 0.2
LAST_LINE_BYTES = 4096


def say(text: str) -> None:
    """Print a line of progress on stderr, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass
class _Going:
    """A job that runs now."""

    job: Job
    process: subprocess.Popen[bytes]
    started: float


@dataclass
class Runner:
    """Starts the `jobs` that are ready, the first ones first, never more than `workers` at a time.

    A job marked alone waits until nothing else is ready and has the machine to itself. `on_done` hears
    of every job that ends well.
    """

    jobs: Sequence[Job]
    workers: int
    threads: int
    on_done: Callable[[Job], None] = lambda _job: None
    failures: dict[str, str] = field(default_factory=dict)
    _going: list[_Going] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)

    def run(self) -> dict[str, str]:
        """Run all; return why each job that is not done is not, by name."""
        self._done = {job.name for job in self.jobs if job.state() == "done"}
        try:
            while self._left():
                self._give_up()
                self._start()
                time.sleep(POLL_SECONDS)
                self._collect()
        finally:
            for going in self._going:
                going.process.terminate()
            for going in self._going:
                going.process.wait()
        return self.failures

    def _left(self) -> list[Job]:
        return [job for job in self.jobs if job.name not in self._done and job.name not in self.failures]

    def _give_up(self) -> None:
        """Fail what needs a failed job; jobs stand after what they need, so one pass is enough."""
        for job in self._left():
            missing = [needed.name for needed in job.after if needed.name in self.failures]
            if missing:
                self.failures[job.name] = f"needs {missing[0]}"

    def _start(self) -> None:
        going = {g.job.name for g in self._going}
        ready = [
            job
            for job in self._left()
            if job.name not in going and all(needed.name in self._done for needed in job.after)
        ]
        for job in sorted(ready, key=lambda job: job.kind.alone):
            full = len(self._going) >= self.workers or any(g.job.kind.alone for g in self._going)
            if full or (job.kind.alone and self._going):
                return
            self._launch(job)

    def _launch(self, job: Job) -> None:
        """Start a job. Its log is its lock: a child that outlived a killed study still holds it, and is waited for."""
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if job.state() == "done":
                self._done.add(job.name)
                return
            words = [*job.begin(), *(["--threads", str(self.threads)] if job.kind.threaded else [])]
            process = start(words, log, self.threads)
        self._going.append(_Going(job, process, time.monotonic()))

    def _collect(self) -> None:
        for going in [g for g in self._going if g.process.poll() is not None]:
            self._going.remove(going)
            job, seconds = going.job, time.monotonic() - going.started
            if going.process.returncode == 0 and job.is_whole:
                job.finish(seconds)
                self._done.add(job.name)
                self.on_done(job)
                say(f"[{len(self._done)}/{len(self.jobs)}] {job.name} {_minutes(seconds)}{self._outlook()}")
            else:
                self.failures[job.name] = f"exit {going.process.returncode}: {last_line(job.log)} ({job.log})"
                say(f"FAILED {job.name}: {self.failures[job.name]}")

    def _outlook(self) -> str:
        """Say how long the rest will take, by how long jobs of the same kind took; nothing when no one knows."""
        left = self._left()
        done = [(job.kind.name, job.seconds) for job in self.jobs if job.name in self._done]
        took = [(kind, seconds) for kind, seconds in done if seconds is not None]
        if not left or not took:
            return ""
        expected = 0.0
        for job in left:
            alike = [seconds for kind, seconds in took if kind == job.kind.name] or [seconds for _, seconds in took]
            expected += sum(alike) / len(alike)
        return f"; about {_minutes(expected / self.workers)} left"


def start(words: Sequence[str], log: IO[bytes], threads: int) -> subprocess.Popen[bytes]:
    """Start a command whose first word is `hetvs` or `python`, both of this very environment."""
    here = Path(sys.executable)
    program = str(here.with_name("hetvs")) if words[0] == "hetvs" else str(here)
    log.write(f"$ {shlex.join(words)}\n".encode())
    log.flush()
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    # Passive: a thread that waits for its sibling must not spin on a core that another job needs.
    settings = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": path}
    return subprocess.Popen(
        [program, *words[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **settings}
    )


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    tail = log.read_bytes()[-LAST_LINE_BYTES:].decode(errors="replace")
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return lines[-1] if lines else "said nothing"


def _minutes(seconds: float) -> str:
    """Return a time as a person says it.

    >>> _minutes(42), _minutes(600), _minutes(9000)
    ('42 s', '10.0 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
