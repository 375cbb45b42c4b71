"""`hetvs export`: a finished run becomes the folder that goes to the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hetvs.cli.options import output_option, overwrite_option, settings
from hetvs.config import ExportConfig
from hetvs.errors import ConfigError


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@output_option
@click.option("--data", type=click.Path(path_type=Path), help="Manifest of real images  [default: the run's own]")
@overwrite_option
@settings(ExportConfig)
def export(run: Path, output: Path, data: Path | None, overwrite: bool, config: ExportConfig) -> None:
    """Write the ONNX bundle of RUN, proved equal to PyTorch on real images."""
    from hetvs.artifacts import ModelCard
    from hetvs.files import refuse_non_empty

    if not overwrite:
        refuse_non_empty(output)
    data = data or _recorded_data(ModelCard.load(run).training)

    from export.bundle import export_bundle
    from hetvs.manifest import read_manifest

    manifest = read_manifest(data)
    click.echo(f"exporting {run}: tracing takes 5-30 s", err=True)
    bundle = export_bundle(run, manifest, output, config, overwrite=overwrite)
    size = bundle.model_path.stat().st_size
    click.echo(f"{bundle.model_path}: {size:,} bytes, opset {bundle.opset}, space {bundle.card.space.space_id}")
    click.echo(f"parity: no component differs from PyTorch by more than {bundle.parity_max_abs:.1e} on real images")
    click.echo(f"next: hetvs check {output}")


def _recorded_data(training: dict[str, Any]) -> Path:
    """Return the manifest that the run was trained on; ConfigError when it is not recorded or has moved."""
    recorded = training.get("data")
    if not isinstance(recorded, str):
        raise ConfigError("export: the run does not record its data; add --data with a manifest of real images")
    if not Path(recorded).exists():
        raise ConfigError(f"export: the run's data {recorded} is not here; add --data with a manifest of real images")
    return Path(recorded)
