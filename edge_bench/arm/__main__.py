"""`python -m edge_bench.arm BUNDLE...`: the golden test on ARM64, a line per bundle and runtime, exit 3 on a FAIL."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_bench.arm.machine import WHEELS, open_machine
from edge_bench.arm.parity import TOLERANCE, run_parity
from hetvs.artifacts import EdgeBundle
from hetvs.errors import HetvsError

GATE = 3


@click.command(name="python -m edge_bench.arm")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--runtime", "runtimes", multiple=True, type=click.Choice([*WHEELS]), help="Ask this one; repeat.  [default: all]"
)
@click.option("--tolerance", default=TOLERANCE, show_default=True, type=click.FloatRange(min=0), help="What is equal.")
def main(bundles: tuple[Path, ...], runtimes: tuple[str, ...], tolerance: float) -> None:
    """Compute the golden vectors of BUNDLES on an emulated ARM64 core and compare them with those of x86.

    The first call fetches Python and the runtimes for ARM64 into the cache folder. Times under
    emulation mean nothing, and none is printed.
    """
    failed = False
    try:
        loaded = [EdgeBundle.load(folder) for folder in bundles]
        for outcome in run_parity(loaded, runtimes or tuple(WHEELS), tolerance, open_machine):
            click.echo(str(outcome))
            failed |= outcome.verdict == "FAIL"
    except HetvsError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(GATE if failed else 0)


if __name__ == "__main__":
    main()
