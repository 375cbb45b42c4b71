"""The command of what K-FAC saves in steps, and what a step of the tangent network costs; writes result.json."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click
import torch

from hetvs.config import LinearConfig
from hetvs.encoders import open_encoder
from hetvs.files import new_folder, write_json
from hetvs.linear.factors import mean_diagonal
from hetvs.linear.network import Linearised
from hetvs.linear.problem import Problem, outputs
from hetvs.linear.targets import cloud_targets
from hetvs.manifest import read_manifest
from hetvs.models.storage import load_run
from hetvs.training.tangent_data import choose, cloud_vectors, prefixes
from studies.lqf.cost import facts_of


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
    facts = facts_of(problem)
    with new_folder(output, overwrite=True) as folder:
        write_json(folder / "result.json", {**facts, "images": images, "weights": net.size, "macs": card.macs})


if __name__ == "__main__":
    main()
