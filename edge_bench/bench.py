"""Measure bundles side by side: a process for each in each runtime, rounds handed out in turn, parity first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_bench.conversion import converted
from edge_bench.host import host_card, idlest_cores
from edge_bench.process import Worker
from edge_bench.report import BenchReport
from edge_bench.results import Measurement, Refusal, Round, parity_of
from edge_bench.runtimes import RUNTIMES, missing
from hetvs.artifacts import CARD_NAME, EdgeBundle
from hetvs.config import BenchConfig
from hetvs.errors import ConfigError, HetvsError
from hetvs.files import read_json


@dataclass(frozen=True)
class Entrant:
    """One bundle that is to be measured in one runtime."""

    bundle: str
    runtime: str
    edge: EdgeBundle

    @property
    def key(self) -> dict[str, str]:
        """What tells its result from the others."""
        precision = read_json(self.edge.folder / CARD_NAME)["export"].get("precision", "fp32")
        return {
            "bundle": self.bundle,
            "runtime": self.runtime,
            "folder": str(self.edge.folder),
            "precision": str(precision),
        }

    def refused(self, verdict: str, reason: str, parity: dict[str, Any] | None = None) -> Refusal:
        """Return its result without figures."""
        return Refusal(**self.key, verdict=verdict, reason=reason, parity=parity or {})


@dataclass
class Lane:
    """An entrant whose vectors are right: its process, what that said, and its rounds so far (final)."""

    entrant: Entrant
    worker: Worker
    facts: dict[str, Any]
    rounds: list[Round] = field(default_factory=list)

    def round(self, config: BenchConfig) -> None:
        """Measure one round; ArtifactError when the process died."""
        answer = self.worker.ask(warmup=config.warmup, calls=config.calls)
        self.facts["peak_rss_bytes"] = answer.pop("peak_rss_bytes")
        self.rounds.append(Round(**{key: tuple(samples) for key, samples in answer.items()}))


def run_bench(
    bundles: Sequence[Path], config: BenchConfig, on_round: Callable[[int], None] = lambda _done: None
) -> BenchReport:
    """Measure `bundles` and return the report; `on_round` hears of each finished round (1, 2, ...).

    What a runtime cannot load, gets wrong or dies of is a FAIL in the report, a runtime that is not
    installed SKIPPED. Raises ArtifactError when a bundle is broken, ConfigError for one named twice
    or more threads than this process may use.
    """
    names = bundle_names(bundles)
    loaded = dict(zip(names, map(EdgeBundle.load, bundles), strict=True))
    cores = idlest_cores(config.threads)
    if len(cores) < config.threads:
        raise ConfigError(f"bench: {config.threads} threads asked for, {len(cores)} cores allowed; lower --threads")
    host = host_card()  # the load average before our own work is in it
    with ExitStack() as stack:
        entrants = [Entrant(name, runtime, edge) for runtime in config.runtimes for name, edge in loaded.items()]
        entered = [enter(entrant, config.threads, cores, stack) for entrant in entrants]
        lanes = [one for one in entered if isinstance(one, Lane)]
        refusals = [one for one in entered if isinstance(one, Refusal)]
        for number in range(config.rounds):
            # Back and forth (a b, b a, ...): a drift of the host favours neither.
            for lane in lanes if number % 2 == 0 else lanes[::-1]:
                try:
                    lane.round(config)
                except HetvsError as error:
                    refusals.append(lane.entrant.refused("FAIL", str(error), parity_of(lane.facts)))
            failed = [(r.bundle, r.runtime) for r in refusals]
            lanes = [lane for lane in lanes if (lane.entrant.bundle, lane.entrant.runtime) not in failed]
            on_round(number + 1)
    measured = tuple(Measurement(**lane.entrant.key, facts=lane.facts, rounds=tuple(lane.rounds)) for lane in lanes)
    return BenchReport(config, host, measured, tuple(refusals))


def enter(entrant: Entrant, threads: int, cores: list[int], stack: ExitStack) -> Lane | Refusal:
    """Convert and load an entrant in a process of its own, which `stack` ends; timed is only what is right."""
    absent = missing(entrant.runtime)
    if absent is not None:
        return entrant.refused("SKIPPED", absent)
    try:
        model_path = model_for(entrant)
        worker = stack.enter_context(Worker(f"{entrant.bundle} in {entrant.runtime}"))
        facts = worker.ask(
            folder=str(entrant.edge.folder),
            model_path=str(model_path),
            runtime=entrant.runtime,
            threads=threads,
            cores=cores,
        )
    except HetvsError as error:
        return entrant.refused("FAIL", str(error))
    if facts["golden_fault"] is not None:
        worker.close()
        return entrant.refused("FAIL", facts["golden_fault"], parity_of(facts))
    return Lane(entrant, worker, facts)


def model_for(entrant: Entrant) -> Path:
    """Return the file that the runtime loads: the bundle's own, or a converted one; ArtifactError when that fails."""
    entry = RUNTIMES[entrant.runtime]
    if entry.converter is None:
        return entrant.edge.model_path
    return converted(entrant.edge, entry.converter, entry.converted_by, entry.converted_name)


def bundle_names(bundles: Sequence[Path]) -> list[str]:
    """Return the folder name of each bundle, its whole path where two share a name.

    >>> bundle_names([Path("bundles/cloud"), Path("bundles/edge")]), bundle_names([Path("a/edge"), Path("b/edge")])
    (['cloud', 'edge'], ['a/edge', 'b/edge'])
    """
    short = [folder.resolve().name for folder in bundles]
    names = short if len(set(short)) == len(short) else [str(folder) for folder in bundles]
    if len(set(names)) < len(names):
        raise ConfigError("bench: a bundle is named twice; name each one once")
    return names
