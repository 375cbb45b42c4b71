"""The `hetvs` command. A command module is light: the heavy import is inside its callback."""

from __future__ import annotations

from hetvs.cli.group import Cli
from hetvs.cli.group import cli as main

__all__ = ["Cli", "main"]
