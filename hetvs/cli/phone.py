"""`hetvs phone`: a bundle becomes a kit with which a phone tests itself."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@output_option
@overwrite_option
def phone(bundle: Path, output: Path, overwrite: bool) -> None:
    """Write the self-test kit of BUNDLE: model, golden files without .npy, sources for Android, iOS and the web."""
    from export.to_phone import phone_kit

    checked = phone_kit(bundle, output, overwrite=overwrite)
    click.echo(
        f"{output}: {len(checked.golden_ids)} golden images, tolerance {checked.tolerance:g}; see README.md there"
    )
    click.echo(f"next: sh {output / 'android' / 'run.sh'} {output}")
