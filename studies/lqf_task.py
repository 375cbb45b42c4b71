"""The command of one task with few labelled images a class, every arm on the same draw; writes result.json."""

from __future__ import annotations

import os
from pathlib import Path

import click
import torch

from hetvs.files import new_folder, write_json
from hetvs.manifest import read_manifest
from hetvs.models.cost import macs_of
from hetvs.models.storage import load_run
from studies.lqf.task import arms, draw, judged, labelled


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--column", default="label", help="Column of the manifest that is learned.")
@click.option("--leaky", type=click.Path(path_type=Path), required=True, help="Start with leaky ReLU.")
@click.option("--relu", type=click.Path(path_type=Path), required=True, help="The same with ReLU.")
@click.option("--shots", type=int, required=True, help="Images of each class; 0 takes all.")
@click.option("--ablations/--no-ablations", default=True, help="Also the arms that lack an ingredient.")
@click.option("--seed", type=int, required=True)
@click.option("--threads", type=int, default=1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    data: Path, column: str, leaky: Path, relu: Path, shots: int, ablations: bool, seed: int,
    threads: int, output: Path,
) -> None:  # fmt: skip
    """Run every arm on one draw; choose among its trials on val, judge on test."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    drawn = draw(labelled(read_manifest(data), column), leaky, shots, seed)
    found = judged(arms(leaky, relu, drawn, seed, ablations=ablations), drawn)
    embedder, card = load_run(leaky)
    facts = {"macs": macs_of(embedder, card.preprocess.size_px), "images": len(drawn.train.ids)}
    with new_folder(output, overwrite=True) as folder:
        write_json(folder / "result.json", {**facts, "arms": found})


if __name__ == "__main__":
    main()
