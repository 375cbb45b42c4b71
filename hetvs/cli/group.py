"""The click group: commands in pipeline order, errors as one line, exit codes as in docs/design.md."""

from __future__ import annotations

import errno
from importlib import import_module
from typing import Any

import click

from hetvs import __version__
from hetvs.errors import ArtifactError, GateError, HetvsError

COMMANDS = {  # name -> "module:function", in the order of the pipeline
    "data": "hetvs.cli.data:data",
    "models": "hetvs.cli.models:models",
    "losses": "hetvs.cli.losses:losses",
    "train-teacher": "hetvs.cli.train:train_teacher",
    "train-student": "hetvs.cli.train:train_student",
    "train-supernet": "hetvs.cli.supernet:train_supernet",
    "latency-table": "hetvs.cli.latency_table:latency_table",
    "search-student": "hetvs.cli.search:search_student",
    "rotate": "hetvs.cli.rotate:rotate",
    "fuse": "hetvs.cli.fuse:fuse",
    "finetune-linear": "hetvs.cli.tangent:finetune_linear",
    "add-deltas": "hetvs.cli.tangent:add_deltas",
    "train-classifier": "hetvs.cli.train:train_classifier",
    "train-update": "hetvs.cli.train:train_update",
    "embed": "hetvs.cli.embed:embed",
    "export": "hetvs.cli.export:export",
    "check": "hetvs.cli.check:check",
    "phone": "hetvs.cli.phone:phone",
    "evaluate": "hetvs.cli.evaluate:evaluate",
    "calibrate": "hetvs.cli.calibrate:calibrate",
    "flips": "hetvs.cli.flips:flips",
    "compare": "hetvs.cli.flips:compare",
    "adapt": "hetvs.cli.adapt:adapt",
    "backfill": "hetvs.cli.backfill:backfill",
    "clusters": "hetvs.cli.clusters:clusters",
    "bench": "hetvs.cli.bench:bench",
}


class OneLine(click.ClickException):
    """A HetvsError as click shows it: one line on stderr, exit 1."""

    def __init__(self, error: HetvsError) -> None:
        super().__init__(" ".join(str(error).split()))


class GateLine(OneLine):
    """A measured promise that does not hold: one line, exit 3."""

    exit_code = 3


class Cli(click.Group):
    """Shows a HetvsError as one line; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit 1 on an error of ours, 3 on a gate that did not hold."""
        try:
            return super().invoke(ctx)
        except HetvsError as error:
            raise (GateLine if isinstance(error, GateError) else OneLine)(error) from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            where = error.filename or "the output folder"
            raise OneLine(ArtifactError(f"{where}: no space left on the device; free some and try again")) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in pipeline order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hetvs")
def cli() -> None:
    """Index once with the big model; search from any device."""
