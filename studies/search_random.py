"""A random architecture of about as many MACs as a budget allows: the control of a search."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from hetvs.cli.options import output_option
from hetvs.files import write_json
from hetvs.nas.breeding import Breeder
from hetvs.nas.operators import macs_of
from hetvs.nas.space import SPACES, Architecture, Space, encode, space_of

NEAR = 0.95  # of the budget, at least


def draw(space: Space, most: int, dim: int, seed: int) -> Architecture:
    """Return a random architecture with 95 to 100 % of `most` MACs; ConfigError when none is found."""

    def is_near(arch: Architecture) -> bool:
        return NEAR * most <= macs_of(arch, dim) <= most

    return Breeder(space, is_near).fresh((), np.random.default_rng(seed))


@click.command()
@click.option("--space", type=click.Choice(sorted(SPACES)), required=True, help="Where it is drawn from.")
@click.option("--sizes", type=int, multiple=True, help="Input sizes in pixels; none takes those of the space.")
@click.option("--most", type=int, required=True, help="Budget of MACs.")
@click.option("--dim", type=int, required=True, help="D of the cloud's space.")
@click.option("--seed", type=int, required=True, help="Seed of the draw.")
@output_option
def main(space: str, sizes: tuple[int, ...], most: int, dim: int, seed: int, output: Path) -> None:
    """Write best.json of a search that did not look."""
    write_json(output / "best.json", encode(draw(space_of(space, sizes), most, dim, seed)))


if __name__ == "__main__":
    main()
