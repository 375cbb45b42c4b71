"""Measure bundles side by side: a process each, rounds handed out in turn, so that ratios compare neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge_bench.host import host_card, idlest_cores
from edge_bench.process import Worker
from edge_bench.report import BenchReport, Measurement, Round
from edge_bench.runtimes import RUNTIMES
from hetvs.artifacts import EdgeBundle
from hetvs.config import BenchConfig
from hetvs.errors import ConfigError

RUNTIME = next(iter(RUNTIMES))


def run_bench(
    bundles: Sequence[Path], config: BenchConfig, on_round: Callable[[int], None] = lambda _done: None
) -> BenchReport:
    """Measure `bundles` and return the report; `on_round` hears of each finished round (1, 2, ...).

    Raises ArtifactError when a bundle is broken, ConfigError for one named twice or more threads
    than this process may use.
    """
    names = bundle_names(bundles)
    for folder in bundles:
        EdgeBundle.load(folder)  # a broken one is reported before any process starts
    cores = idlest_cores(config.threads)
    if len(cores) < config.threads:
        raise ConfigError(f"bench: {config.threads} threads asked for, {len(cores)} cores allowed; lower --threads")
    host = host_card()  # the load average before our own work is in it
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name)) for name in names}
        order = {"runtime": RUNTIME, "threads": config.threads, "cores": cores}
        facts = {
            name: workers[name].ask(folder=str(folder), **order) for name, folder in zip(names, bundles, strict=True)
        }
        rounds: dict[str, list[Round]] = {name: [] for name in names}
        for number in range(config.rounds):
            # Back and forth (a b, b a, ...): a drift of the host favours neither.
            for name in names if number % 2 == 0 else names[::-1]:
                answer = workers[name].ask(warmup=config.warmup, calls=config.calls)
                facts[name]["peak_rss_bytes"] = answer.pop("peak_rss_bytes")
                rounds[name].append(_round(answer))
            on_round(number + 1)
    return BenchReport(
        config,
        host,
        tuple(
            Measurement(name, str(folder), facts[name], tuple(rounds[name]))
            for name, folder in zip(names, bundles, strict=True)
        ),
    )


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


def _round(answer: dict[str, Any]) -> Round:
    """Make a round of a worker's answer."""
    return Round(**{key: tuple(samples) for key, samples in answer.items()})
