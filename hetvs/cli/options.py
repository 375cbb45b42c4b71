"""Click options made from a config dataclass: help, default and check cannot drift apart."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click

from hetvs.settings import override, read_config

Command = Callable[..., Any]

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder to write; must be new or empty."
)
overwrite_option = click.option("--overwrite/--no-overwrite", default=False, help="Replace a non-empty output folder.")
resume_option = click.option("--resume/--no-resume", default=False, help="Continue a killed run in the output folder.")
json_option = click.option("--json/--no-json", "as_json", default=False, help="Print the result as JSON on stdout.")


def settings(kind: type[Any]) -> Callable[[Command], Command]:
    """Give a command one option per field of `kind` and `--config`; it receives `config: kind`.

    Precedence: default < `--config run.toml` < option typed.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def typed_first(*args: Any, config_path: Path | None, **values: Any) -> Any:
            typed = {f.name: values.pop(f.name) for f in fields(kind)}
            typed = {name: value for name, value in typed.items() if value is not None and value != ()}
            config = override(read_config(kind, config_path) if config_path else kind(), typed)
            return command(*args, config=config, **values)

        run: Command = typed_first
        for f in reversed(fields(kind)):
            run = _option(f)(run)
        return click.option(
            "--config", "config_path", type=click.Path(path_type=Path), help="TOML file of settings; typed options win."
        )(run)

    return decorate


def words_of(config: Any) -> list[str]:
    """Return the settings that are not the default as options: what a command is repeated with.

    >>> from hetvs.config import EvaluateConfig
    >>> words_of(EvaluateConfig(ks=(1, 10), check=True, by="domain"))
    ['--by', 'domain', '--ks', '1', '--ks', '10', '--check']
    """
    words: list[str] = []
    for f in fields(config):
        value, flag = getattr(config, f.name), f.name.replace("_", "-")
        if value == f.default:
            continue
        if isinstance(value, bool):
            words += [f"--{'' if value else 'no-'}{flag}"]
        else:
            words += [w for v in (value if isinstance(value, tuple) else (value,)) for w in (f"--{flag}", str(v))]
    return words


def _option(f: Field[Any]) -> Callable[[Command], Command]:
    """Make the click option of one field; its click default is None, so that only typed values count."""
    flag = "--" + f.name.replace("_", "-")
    default = " ".join(map(str, f.default)) if isinstance(f.default, tuple) else f.default
    shown = f"{f.metadata['help']}  [default: {default if default != '' else 'none'}]"
    short = [f"-{f.metadata['short']}"] if f.metadata["short"] else []
    if isinstance(f.default, bool):
        return click.option(f"{flag}/--no-{flag[2:]}", f.name, default=None, help=shown)
    repeatable = isinstance(f.default, tuple)
    plain = type(f.default[0]) if isinstance(f.default, tuple) else type(f.default)
    kind = click.Choice(f.metadata["choices"]) if f.metadata["choices"] else plain
    if repeatable:  # click gives () when it is not typed
        return click.option(*short, flag, f.name, type=kind, multiple=True, help=shown)
    return click.option(*short, flag, f.name, type=kind, default=None, help=shown)
