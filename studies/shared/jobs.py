"""A job: one command with one output, done when that output is whole and was made by this very command."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from hetvs.files import digest_json, read_json, write_json
from hetvs.settings import read_toml

State = Literal["done", "begun", "new"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What jobs of one kind share.

    `whole` is the file of the output that appears last. `goes_on` is the option that continues a killed
    go; with none, the command continues by itself. A `threaded` command takes --threads; one that is
    `alone` needs a quiet machine. Outputs that the study `owns` are deleted when their command changes.
    """

    name: str
    whole: str
    goes_on: str = "--overwrite"
    threaded: bool = False
    alone: bool = False
    owns: bool = True


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command, what it reads and where it writes.

    `words` is the command without what may change between two goes (threads, resuming). `record` is a
    path without suffix: the log is there (.log), and what made the output (.json).
    """

    name: str
    kind: Kind
    words: tuple[str, ...]
    output: Path
    record: Path
    recipes: tuple[Path, ...] = ()
    after: tuple[Job, ...] = ()

    @property
    def log(self) -> Path:
        """Where stdout and stderr go."""
        return self.record.with_name(f"{self.record.name}.log")

    @property
    def stamp(self) -> Path:
        """What says which command the output is of."""
        return self.record.with_name(f"{self.record.name}.json")

    @cached_property
    def identity(self) -> str:
        """The digest of the words, of what the recipes say (not of their comments), and of every job before."""
        said = [read_toml(recipe) for recipe in self.recipes]
        return digest_json([list(self.words), said, [job.identity for job in self.after]])

    def state(self) -> State:
        """Say how far the job is; an output of another command counts for nothing."""
        if self.kind.owns and self._stamped().get("identity") != self.identity:
            return "new"
        return "done" if self.is_whole else "begun" if self.output.exists() else "new"

    @property
    def is_whole(self) -> bool:
        """Whether the output is there to its last file."""
        return (self.output / self.kind.whole).is_file()

    def begin(self) -> list[str]:
        """Make ready to start and return the words that start the job, or go on with it.

        A foreign output is deleted before the stamp is written: a kill between the two leaves neither.
        """
        state = self.state()
        if state == "new" and self.kind.owns:
            self.stamp.unlink(missing_ok=True)
            if self.output.exists():
                shutil.rmtree(self.output)
            write_json(self.stamp, {"identity": self.identity, "words": list(self.words)})
        return [*self.words, *([self.kind.goes_on] if state == "begun" and self.kind.goes_on else [])]

    def finish(self, seconds: float) -> None:
        """Note how long the last go took."""
        if self.kind.owns:
            write_json(self.stamp, {**self._stamped(), "seconds": round(seconds, 1)})

    @property
    def seconds(self) -> float | None:
        """How long the last go of a finished job took; None when it is not known."""
        found = self._stamped().get("seconds")
        return float(found) if found is not None else None

    def _stamped(self) -> dict[str, Any]:
        found = read_json(self.stamp) if self.stamp.is_file() else None
        return found if isinstance(found, dict) else {}


def with_needs(wanted: Iterable[Job]) -> list[Job]:
    """Return the jobs with all that they need, each once, what is needed first."""
    found: dict[str, Job] = {}

    def add(job: Job) -> None:
        for needed in job.after:
            add(needed)
        found.setdefault(job.name, job)

    for job in wanted:
        add(job)
    return list(found.values())
