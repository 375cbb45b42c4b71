"""Measure bundles side by side: a process for each in each runtime, rounds handed out in turn, parity first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge_bench.accuracy import Accuracy, Identity, accuracies, precision_of
from edge_bench.entrant import Entrant, model_for
from edge_bench.host import host_card, idlest_cores
from edge_bench.lanes import Lane, Loaded, StageLane
from edge_bench.process import Worker
from edge_bench.report import BenchReport
from edge_bench.results import Refusal, parity_of
from edge_bench.runtimes import missing, unconvertible
from hetvs.artifacts import EdgeBundle
from hetvs.config import BenchConfig
from hetvs.errors import ConfigError, HetvsError


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
        stages = [enter_stages(name, edge, config.gallery, cores[:1], stack) for name, edge in loaded.items()]
        for number in range(config.rounds):
            refusals += play_round(number, lanes, config)
            for stage in stages:
                stage.round(config)
            on_round(number + 1)
    measured = tuple(lane.measurement() for lane in lanes)
    around = tuple(found for stage in stages for found in stage.measurements())
    return BenchReport(config, host, measured, tuple(refusals), around)


def play_round(number: int, lanes: list[Lane], config: BenchConfig) -> list[Refusal]:
    """Measure a round of every lane; one whose process died leaves `lanes` and is returned as a FAIL."""
    failed = []
    # Back and forth (a b, b a, ...): a drift of the host favours neither.
    for lane in lanes if number % 2 == 0 else lanes[::-1]:
        try:
            lane.round(config)
        except HetvsError as error:
            failed.append((lane, lane.entrant.refused("FAIL", str(error), parity_of(lane.first.facts))))
    for lane, _ in failed:
        lanes.remove(lane)
    return [refusal for _, refusal in failed]


def enter(entrant: Entrant, threads: int, cores: list[int], stack: ExitStack) -> Lane | Refusal:
    """Convert and load an entrant in a process of its own, which `stack` ends; timed is only what is right."""
    absent = missing(entrant.runtime) or unconvertible(entrant.runtime, entrant.edge.precision)
    if absent is not None:
        return entrant.refused("SKIPPED", absent)
    order: dict[str, Any] = {"folder": str(entrant.edge.folder), "runtime": entrant.runtime}
    order |= {"threads": threads, "cores": cores}
    try:
        order["model_path"] = str(model_for(entrant))
        name = f"{entrant.bundle} in {entrant.runtime}"
        loaded = []
        for process in (name, f"{name}, its twin"):
            worker = stack.enter_context(Worker(process))
            facts = worker.ask(**order)
            if facts["golden_fault"] is not None:
                worker.close()
                return entrant.refused("FAIL", facts["golden_fault"], parity_of(facts))
            loaded.append(Loaded(worker, facts))
            order["counts"] = [facts["runs_per_call"], facts["reference_runs_per_call"]]
        return Lane(entrant, *loaded)
    except HetvsError as error:
        return entrant.refused("FAIL", str(error))


def enter_stages(name: str, edge: EdgeBundle, gallery: int, cores: list[int], stack: ExitStack) -> StageLane:
    """Start the process that times decoding, resizing and searching for a bundle."""
    worker = stack.enter_context(Worker(f"the stages of {name}"))
    return StageLane(name, worker, worker.ask(folder=str(edge.folder), gallery=gallery, cores=cores))


def accuracy_of(bundles: Sequence[Path], report: Path) -> dict[str, Accuracy]:
    """Return what a report of `hetvs evaluate` says of each bundle; ArtifactError when it is none."""
    models = [Identity(EdgeBundle.load(bundle).card.weights_digest, str(precision_of(bundle))) for bundle in bundles]
    return accuracies(report, dict(zip(bundle_names(bundles), models, strict=True)))


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
