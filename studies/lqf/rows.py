"""From the results of finished jobs to rows: accuracies, differences and flips with paired intervals, costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hetvs.files import read_json
from hetvs.retrieval.intervals import Estimate
from studies.compatibility.costs import LATENCY_RATIO
from studies.lqf.arms import LQF
from studies.lqf.compat import ADAMW, START
from studies.lqf.plan import SEEDS, seeds_of
from studies.shared.jobs import Job
from studies.shared.paired import drawn
from studies.shared.rows import MEAN, Origin, Row

STUDY, COMMAND = "lqf", "python -m studies.lqf"
APART = "relative difference of outputs"
COSTS = (
    "kfac_steps", "plain_steps", "kfac_residual", "plain_residual", "kfac_cpu_s", "plain_cpu_s", "factors_cpu_s",
    "kfac_sgd_passes", "plain_sgd_passes", "kfac_sgd_residual", "plain_sgd_residual",
    "tangent_step_cpu_s", "plain_step_cpu_s", "peak_rss_bytes",
)  # fmt: skip


def rows_of(jobs: Sequence[Job]) -> list[Row]:
    """Return the rows of finished jobs; the mean over seeds once all jobs of a cell are there."""
    found = {job.name.removeprefix(f"{STUDY}/"): job for job in jobs}
    tasks: dict[tuple[str, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    compat: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    rows: list[Row] = []
    for name, job in found.items():
        group, _, rest = name.partition("/")
        if name == "cost/bench":
            rows += _bench_rows(job.output / job.kind.whole)
        elif group == "agreement":
            rows += _agreement_rows(read_json(job.output / "result.json"))
        elif group == "cost":
            rows += _cost_rows(read_json(job.output / "result.json"))
        else:
            cell, _, seed = rest.rpartition("-s")
            result = read_json(job.output / "result.json")
            (compat[cell] if group == "compat" else tasks[group, cell])[int(seed)] = result
    for (task, shots), by_seed in tasks.items():
        rows += _task_rows(task, shots, by_seed)
    for domain, by_seed in compat.items():
        rows += _compat_rows(domain, by_seed) if len(by_seed) == len(SEEDS) else []
    return rows


def _task_rows(task: str, shots: str, by_seed: dict[int, dict[str, Any]]) -> Iterator[Row]:
    """Yield the accuracy of every arm by seed; of whole cells the mean, and what linear-quadratic is ahead by."""
    first = next(iter(by_seed.values()))
    arms = list(first["arms"])
    whole = len(by_seed) == len(seeds_of(int(shots)))
    values = np.mean([[result["arms"][arm]["right"] for arm in arms] for result in by_seed.values()], axis=0)
    samples = drawn(dict(zip(arms, values, strict=True)), np.arange(values.shape[1]))
    protocol = "all images" if shots == "0" else f"{shots} a class"
    for arm, sample in samples.items():
        if whole:
            yield _row(task, protocol, arm, "accuracy", sample.estimate(), first["macs"])
        if whole and arm != LQF:
            yield _row(task, protocol, f"{LQF} - {arm}", "accuracy", (samples[LQF] - sample).estimate(), first["macs"])
        for seed, result in by_seed.items():
            mean = Estimate(float(np.mean(result["arms"][arm]["right"])))
            yield _row(task, protocol, arm, "accuracy", mean, first["macs"], seed)


def _compat_rows(domain: str, by_seed: dict[int, dict[str, Any]]) -> Iterator[Row]:
    """Yield M(q,g) of each arm on the style and elsewhere, its gain over the start, and its negative flips."""
    first = next(iter(by_seed.values()))
    arms = (START, LQF, ADAMW)
    for kind in ("style", "elsewhere"):
        right = np.array([[result["arms"][arm][kind]["right"] for arm in arms] for result in by_seed.values()])
        lost = (right[:, :1] > 0) & (right == 0)
        columns = dict(enumerate([*right.mean(0), *lost.mean(0)[1:]]))
        samples = drawn(columns, np.arange(right.shape[2]))
        for number, arm in enumerate(arms):
            yield _row(domain, kind, arm, "recall@1", samples[number].estimate(), first["macs"], pair="q,g")
            if number:
                gain, flips = samples[number] - samples[0], samples[len(arms) + number - 1]
                yield _row(domain, kind, arm, "gain/recall@1", gain.estimate(), first["macs"], pair="q,g")
                yield _row(domain, kind, arm, "nfr@1", flips.estimate(), first["macs"], pair="q,g")


def _agreement_rows(result: dict[str, Any]) -> Iterator[Row]:
    protocol = f"{result['images']} images, lambda {result['share']:g}"
    for pair, value in result["differences"].items():
        yield _row("fashion-mnist", protocol, pair, APART, Estimate(value), result["macs"])


def _cost_rows(result: dict[str, Any]) -> Iterator[Row]:
    costs = {name: float(result[name]) for name in COSTS} | {
        "steps_ratio": result["plain_steps"] / result["kfac_steps"]
    }
    for name, value in costs.items():
        yield _row("emoji", f"cost, {result['images']} images", LQF, name, Estimate(value), result["macs"])


def _bench_rows(report: Path) -> Iterator[Row]:
    """Yield the latency of the two-stream graph as a share of the plain one's, where the benchmark has a verdict."""
    (pair,) = read_json(report)["pairs"]
    valid = pair["verdict"] == "VALID"
    found = Estimate(pair["median"], pair["p10"], pair["p90"]) if valid else Estimate(None, reason=pair["verdict"])
    yield _row("emoji", "cost", LQF, LATENCY_RATIO, found, None)


def _row(
    dataset: str, protocol: str, method: str, metric: str, estimate: Estimate, macs: int | None,
    seed: int | str = MEAN, pair: str = "",
) -> Row:  # fmt: skip
    origin = Origin(study=STUDY, dataset=dataset, protocol=protocol, size="1", command=COMMAND)
    return origin.row(method, seed, pair, metric, estimate, macs)
