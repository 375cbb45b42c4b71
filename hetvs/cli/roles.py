"""Who takes part in `hetvs evaluate`: the options that name models, gathered and checked together."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]
WHAT = "Run, bundle or vectors"


@dataclass(frozen=True, kw_only=True)
class Roles:
    """A contest against a gallery model, or with `old` the versions of one model, oldest first."""

    gallery_model: Path | None
    query_model: tuple[Path, ...]
    baseline: Path | None
    old: tuple[Path, ...]
    own: Path | None
    free: Path | None

    def __post_init__(self) -> None:
        if not self.query_model:
            raise click.UsageError("Missing option '--query-model'.")
        if self.old and (self.gallery_model or self.baseline):
            raise click.UsageError("--old says whose gallery is asked; drop --gallery-model and --baseline.")
        if not self.old and (self.own or self.free):
            raise click.UsageError("--own and --free are of an update; give --old.")
        if not self.old and not self.gallery_model:
            raise click.UsageError("Missing option '--gallery-model' (or '--old').")

    @property
    def folders(self) -> dict[Path, str]:
        """The option of each folder that is given, in the order of the command line."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        order = ("gallery_model", "old", "query_model", "baseline", "own", "free")
        listed = {name: named[name] if isinstance(named[name], tuple) else (named[name],) for name in order}
        return {folder: f"--{name.replace('_', '-')}" for name in order for folder in listed[name] if folder}


def roles(command: Command) -> Command:
    """Give a command the options that name models; it receives `roles: Roles`."""

    @functools.wraps(command)
    def gathered(*args: Any, **values: Any) -> Any:
        return command(*args, roles=Roles(**{f.name: values.pop(f.name) for f in fields(Roles)}), **values)

    run: Command = gathered
    for decorate in reversed(
        [
            _option("--gallery-model", f"{WHAT} of the gallery's model."),
            _option("--query-model", "The same of a query model; repeat for more.", multiple=True),
            _option("--baseline", "The same of a small model trained on its own, for recovery."),
            _option("--old", "The same of an older version of the query model; repeat, oldest first.", multiple=True),
            _option("--own", "With --old: the newest version with its full vector (the folder `own` of its run)."),
            _option("--free", "With --old: a new model trained without a tie to the old one, for gain and cost."),
        ]
    ):
        run = decorate(run)
    return run


def _option(flag: str, help: str, *, multiple: bool = False) -> Callable[[Command], Command]:
    return click.option(flag, type=click.Path(path_type=Path), multiple=multiple, help=help)
