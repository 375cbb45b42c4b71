"""Kendall's tau between the scores of a supernet and those of the same networks trained alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option
from hetvs.encoders import open_encoder
from hetvs.files import new_folder, write_json
from hetvs.manifest import read_manifest
from hetvs.models.storage import load_run
from hetvs.nas.judge import Judge, gather
from hetvs.nas.pairing import pairings_of
from hetvs.nas.proxy import tau_of
from hetvs.nas.storage import load_supernet


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--supernet", type=click.Path(path_type=Path), required=True, help="Run of train-supernet.")
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="The cloud model it follows.")
@click.option("--run", "runs", type=click.Path(path_type=Path), multiple=True, required=True, help="Trained alone.")
@output_option
@overwrite_option
def main(data: Path, supernet: Path, teacher: Path, runs: tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Write proxy.json: both scores of every run, and tau with its interval."""
    shared, card = load_supernet(supernet)
    evidence = gather(read_manifest(data), card.training["rows"], shared.space.sizes, open_encoder(teacher, threads=1))
    pairings = pairings_of(Judge(shared, evidence), card.space, once_each(runs))
    with new_folder(output, overwrite=overwrite) as temporary:
        found = {"tau": asdict(tau_of(pairings)), "pairings": [asdict(one) for one in pairings]}
        write_json(temporary / "proxy.json", found)


def once_each(runs: Sequence[Path]) -> list[Path]:
    """Return the runs without those whose architecture an earlier one has: two searches may find the same."""
    first: dict[str, Path] = {}
    for run in runs:
        first.setdefault(str(load_run(run)[1].backbone_options["genes"]), run)
    return list(first.values())


if __name__ == "__main__":
    main()
