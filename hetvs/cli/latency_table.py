"""`hetvs latency-table`: what each operator of a space costs on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, overwrite_option, settings
from hetvs.config import LatencyConfig
from hetvs.errors import ConfigError

if TYPE_CHECKING:
    from hetvs.nas.latency import LatencyTable
    from hetvs.nas.space import Architecture

WANTED_ERROR = 0.10


@click.command("latency-table")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="JSON file to write.")
@click.option("--resume/--no-resume", default=False, help="Keep the operators that are in the file already.")
@overwrite_option
@json_option
@settings(LatencyConfig)
def latency_table(output: Path, resume: bool, overwrite: bool, as_json: bool, config: LatencyConfig) -> None:
    """Time every operator of a space through ONNX Runtime, then whole models, to say how far their sum is right.

    Everything is CPU time in units of a reference kernel timed in the same rounds. A phone's table is such a file too.
    """
    import json

    if output.exists() and not (overwrite or resume):
        raise ConfigError(f"{output}: is there already; add --resume, --overwrite or choose another -o")
    table = _operators(output, config, keep=resume)
    table.save(output)  # whole models take as long again: a kill shall not lose what is known
    table = _compared(table, config)
    table.save(output)
    error = table.median_error
    assert error is not None  # held_out is >= 8
    worst = max(one.error for one in table.held_out)
    if as_json:
        click.echo(json.dumps({"operators": len(table.ratios), "median_error": error, "worst_error": worst}))
    else:
        click.echo(
            f"{output}: {len(table.ratios)} operators; the sum is off by {100 * error:.1f} % (median), "
            f"{100 * worst:.1f} % (worst) on {len(table.held_out)} held-out architectures"
        )
    if error > WANTED_ERROR:
        click.echo(f"warning: more than {100 * WANTED_ERROR:.0f} %; quieten the host, add --rounds", err=True)
    click.echo(
        f"next: hetvs search-student DATA --teacher runs/cloud --latency-table {output} -o runs/search", err=as_json
    )


def _operators(output: Path, config: LatencyConfig, *, keep: bool) -> LatencyTable:
    """Time every operator that the file does not hold yet."""
    from edge_bench.host import host_card
    from edge_bench.operators.table import time_operators
    from hetvs.nas.latency import LatencyTable, reachable
    from hetvs.nas.space import space_of
    from hetvs.progress import counted

    wanted = reachable(space_of(config.space, config.chosen_sizes), config.dim)
    known = LatencyTable.load(output) if keep and output.is_file() else None
    if known is not None and known.threads != config.threads:
        raise ConfigError(
            f"{output}: was measured with {known.threads} threads, not {config.threads}; choose another -o"
        )
    left = [operator for operator in wanted if known is None or operator not in known.ratios]
    if known is not None and not left:
        return known
    host = host_card()  # the load average before our own work is in it
    with counted(len(left), "operators") as heard:
        ratios, runtime = time_operators(left, config, heard)
    ratios = {**(known.ratios if known else {}), **ratios}
    return LatencyTable(ratios=ratios, runtime=runtime, threads=config.threads, host=host)


def _compared(table: LatencyTable, config: LatencyConfig) -> LatencyTable:
    """Measure whole models, fit the costs that no operator has, and compare the rest with the sum."""
    import numpy as np

    from hetvs.nas.latency import Comparison, fit_costs
    from hetvs.nas.space import space_of

    space, rng = space_of(config.space, config.chosen_sizes), np.random.default_rng(config.seed)
    archs: dict[Architecture, None] = {}
    while len(archs) < config.fitted + config.held_out:
        archs[space.sample(rng)] = None
    measured = list(zip(archs, _whole_models(list(archs), config), strict=True))
    fitted = replace(table, fit=fit_costs(measured[: config.fitted], config.dim, table.ratios))
    held_out = [Comparison(arch, ratio, fitted.ratio(arch, config.dim)) for arch, ratio in measured[config.fitted :]]
    return replace(fitted, held_out=tuple(held_out))


def _whole_models(archs: Sequence[Architecture], config: LatencyConfig) -> list[float]:
    """Export each architecture as it is and return its latency."""
    from edge_bench.operators.table import time_models
    from export.untrained import write_untrained
    from hetvs.progress import counted

    with tempfile.TemporaryDirectory() as folder, counted(2 * len(archs), "whole models") as heard:
        paths = [Path(folder) / f"{number}.onnx" for number in range(len(archs))]
        for number, (arch, path) in enumerate(zip(archs, paths, strict=True), start=1):
            write_untrained(arch, config.dim, path)
            heard(number)
        return time_models(paths, config, lambda done: heard(len(archs) + done))
