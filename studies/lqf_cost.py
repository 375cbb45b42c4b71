"""One job of the study: what K-FAC saves in steps, and what a step of the tangent network costs beside a plain one."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import torch

from hetvs.config import LinearConfig
from hetvs.encoders import open_encoder
from hetvs.files import new_folder, write_json
from hetvs.linear.cg import conjugate_gradients
from hetvs.linear.factors import gather_factors, mean_diagonal
from hetvs.linear.network import Linearised
from hetvs.linear.preconditioner import Preconditioner
from hetvs.linear.problem import Problem, outputs
from hetvs.linear.sgd import stochastic
from hetvs.linear.targets import cloud_targets
from hetvs.manifest import read_manifest
from hetvs.models.storage import load_run
from hetvs.training.tangent_data import choose, cloud_vectors, prefixes

TOLERANCE = 1e-3
MOST_STEPS = 1000
MOST_PASSES = 100
TIMED = 7


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--cloud", type=click.Path(path_type=Path), required=True)
@click.option("--start", type=click.Path(path_type=Path), required=True)
@click.option("--images", type=int, default=200)
@click.option("--layers", type=int, default=0)
@click.option("--threads", type=int, default=1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(data: Path, cloud: Path, start: Path, images: int, layers: int, threads: int, output: Path) -> None:
    """Count the steps to a relative residual of 1e-3 with and without K-FAC; time one step of each network."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    manifest, encoder = read_manifest(data), open_encoder(cloud, threads=threads)
    embedder, card = load_run(start)
    train = choose(manifest, card.preprocess, LinearConfig(images=images))
    net = Linearised(embedder, layers=layers)
    prefix_n = prefixes(net, train.pixels, 64)
    target = cloud_targets(cloud_vectors(encoder, manifest, train.rows, "embed"), outputs(net, prefix_n, 64))
    problem = Problem.of(net, prefix_n, target, 0.0)
    problem = replace(problem, ridge=LinearConfig.ridge * mean_diagonal(net, prefix_n, batch=64))
    started = time.process_time()
    kfac = Preconditioner(net, gather_factors(net, prefix_n, seed=0, batch=64), problem.ridge)
    facts: dict[str, object] = {"factors_cpu_s": time.process_time() - started}
    for name, precondition in (("kfac", kfac), ("plain", torch.clone)):
        started = time.process_time()
        solution = conjugate_gradients(problem, precondition, tolerance=TOLERANCE, steps=MOST_STEPS)
        facts[f"{name}_steps"] = solution.steps
        facts[f"{name}_residual"] = solution.residuals[-1]
        facts[f"{name}_cpu_s"] = time.process_time() - started
        passes = stochastic(problem, precondition, tolerance=TOLERANCE, passes=MOST_PASSES, batch=64, seed=0)
        facts[f"{name}_sgd_passes"] = len(passes.residuals) - 1
        facts[f"{name}_sgd_residual"] = passes.residuals[-1]
    vector = torch.randn(net.size, dtype=torch.float64)
    facts["tangent_step_cpu_s"] = median(lambda: problem.hessian(vector))
    facts["plain_step_cpu_s"] = median(lambda: problem.back(problem.residual_nD))
    facts["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with new_folder(output, overwrite=True) as folder:
        write_json(folder / "result.json", {**facts, "images": images, "weights": net.size, "macs": card.macs})


def median(call: Callable[[], object]) -> float:
    """Return the median CPU seconds of some calls, one untimed call before them."""
    seconds = []
    for _ in range(1 + TIMED):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return sorted(seconds[1:])[TIMED // 2]


if __name__ == "__main__":
    main()
