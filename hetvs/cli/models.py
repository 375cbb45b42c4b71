"""`hetvs models`: which backbones there are."""

from __future__ import annotations

import click


@click.command()
@click.argument("pattern", default="*")
def models(pattern: str) -> None:
    """List the backbones that match PATTERN, for example 'torchvision/*v3*'."""
    from fnmatch import fnmatch

    from hetvs.models.backbones import backbone_names

    for name in backbone_names():
        if fnmatch(name, pattern):
            click.echo(name)
