"""What a search has tried, in one file that several workers share and that survives a kill.

optuna keeps it, as a journal: a line per event, appended under a lock. A candidate whose worker died is marked as
failed and does not count; with one worker the search then goes on with the very same candidate.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from hetvs.errors import ConfigError
from hetvs.nas.candidate import Candidate
from hetvs.nas.costs import Costs
from hetvs.nas.samplers import GENERATION, GENES, architecture_of, counted, decoded
from hetvs.nas.space import Architecture

NAME = "search"
IDENTITY = "identity"
WORKER, COSTS, COST, SCORES = "worker", "costs", "cost", "scores"


@dataclass(frozen=True)
class Asked:
    """A candidate that waits for its scores."""

    trial: optuna.trial.Trial
    arch: Architecture


@dataclass(frozen=True)
class Verdict:
    """What was found of a candidate; without a reward it was screened out."""

    costs: Costs
    cost: float
    scores: Mapping[str, float]
    reward: float | None


class History:
    """The candidates of one search (final); with two objectives it goes by cost and reward, else by reward alone."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    @classmethod
    def open(
        cls, path: Path, sampler: optuna.samplers.BaseSampler, identity: Mapping[str, Any], *, by_cost: bool
    ) -> History:
        """Open the file of a search, new or begun.

        ConfigError when it was begun with another `identity`: settings, supernet or images.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileOpenLock(str(path))
        _cut_half_line(path, lock)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path), lock)),
            sampler=sampler,
            study_name=NAME,
            directions=["minimize", "maximize"] if by_cost else ["maximize"],
            load_if_exists=True,
        )
        known = study.user_attrs.setdefault(IDENTITY, dict(identity))
        study.set_user_attr(IDENTITY, known)
        for name, value in identity.items():
            if known.get(name) != value:
                raise ConfigError(
                    f"{path}: the search was begun with {name} = {known.get(name)!r}, not {value!r}; resume it with "
                    "the same settings, or start again with --overwrite"
                )
        return cls(study)

    def fail_the_dead(self) -> int:
        """Mark candidates as failed whose worker on this machine is gone; return how many there were."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        dead = [trial for trial in running if not _is_alive(trial.user_attrs.get(WORKER))]
        for trial in dead:
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return len(dead)

    def ask(self) -> Asked:
        """Return the next candidate."""
        trial = self._study.ask()
        trial.set_user_attr(WORKER, _worker())
        proposal = trial.relative_params
        trial.set_user_attr(GENERATION, proposal[GENERATION])
        trial.set_user_attr(GENES, proposal[GENES])
        return Asked(trial, decoded(proposal[GENES]))

    def tell(self, asked: Asked, verdict: Verdict) -> None:
        """Note what was found of a candidate."""
        asked.trial.set_user_attr(COSTS, asdict(verdict.costs))
        asked.trial.set_user_attr(COST, verdict.cost)
        asked.trial.set_user_attr(SCORES, dict(verdict.scores))
        if verdict.reward is None:
            self._study.tell(asked.trial, state=TrialState.PRUNED)
        else:
            both = len(self._study.directions) == 2
            self._study.tell(asked.trial, values=[verdict.cost, verdict.reward] if both else [verdict.reward])

    def fail(self, asked: Asked) -> None:
        """Give a candidate up that could not be judged."""
        self._study.tell(asked.trial, state=TrialState.FAIL)

    def count(self) -> int:
        """Return how many candidates were tried or are being tried; failed ones do not count."""
        return len(counted(self._study))

    def candidates(self) -> list[Candidate]:
        """Return every finished candidate, in the order in which they were asked for."""
        tried = enumerate(counted(self._study))
        return [_candidate(number, trial) for number, trial in tried if trial.state.is_finished()]


def _candidate(number: int, trial: FrozenTrial) -> Candidate:
    found = trial.user_attrs
    return Candidate(
        number=number,
        generation=int(found[GENERATION]),
        state="screened" if trial.state == TrialState.PRUNED else "judged",
        arch=architecture_of(trial),
        costs=Costs(**found[COSTS]),
        scores=found[SCORES],
        cost=float(found[COST]),
        reward=None if trial.state == TrialState.PRUNED else float(trial.values[-1]),
    )


def _worker() -> list[Any]:
    """Return what tells this process from every other one: host, number, and when it began."""
    return [socket.gethostname(), os.getpid(), psutil.Process().create_time()]


def _is_alive(worker: list[Any] | None) -> bool:
    """Say whether a worker may still be at it; one of another machine may."""
    if worker is None:
        return False
    host, number, began = worker
    if host != socket.gethostname():
        return True
    try:
        return bool(psutil.Process(number).create_time() == began)
    except psutil.NoSuchProcess:
        return False


def _cut_half_line(path: Path, lock: JournalFileOpenLock) -> None:
    """Remove the line that a kill or a full disk cut short: the next one would be appended to it."""
    if not path.exists():
        return
    lock.acquire()
    try:
        with path.open("rb+") as stream:
            text = stream.read()
            stream.truncate(text.rfind(b"\n") + 1)
    finally:
        lock.release()
