"""The command of one draw on which solvers, seeds and orders are compared; writes result.json."""

from __future__ import annotations

import os
from pathlib import Path

import click
import torch

from hetvs.files import new_folder, write_json
from hetvs.manifest import read_manifest
from hetvs.models.storage import load_run
from studies.lqf.agreement import differences
from studies.lqf.task import draw, labelled


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--column", default="label", help="Column of the manifest that is learned.")
@click.option("--start", type=click.Path(path_type=Path), required=True, help="Start with leaky ReLU.")
@click.option("--shots", type=int, default=20, help="Images of each class.")
@click.option("--layers", type=int, default=4, help="Last layers that adapt; 0 takes all.")
@click.option("--share", type=float, default=1.0, help="lambda, as a share of the mean diagonal.")
@click.option("--threads", type=int, default=1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    data: Path, column: str, start: Path, shots: int, layers: int, share: float, threads: int, output: Path
) -> None:
    """Solve one problem in every way, train it by AdamW twice, and say how far the outputs are apart."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    drawn = draw(labelled(read_manifest(data), column), start, shots, 0)
    facts = {"images": len(drawn.train.ids), "macs": load_run(start)[1].macs, "share": share}
    found = differences(start, drawn, layers, share)
    with new_folder(output, overwrite=True) as folder:
        write_json(folder / "result.json", {**facts, "differences": found})


if __name__ == "__main__":
    main()
