"""`hetvs embed`: images and a model become a folder of vectors."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option, settings
from hetvs.config import EmbedConfig


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), required=True, help="Run or bundle that embeds.")
@output_option
@overwrite_option
@settings(EmbedConfig)
def embed(data: Path, model: Path, output: Path, overwrite: bool, config: EmbedConfig) -> None:
    """Embed the images of DATA once, as vectors that know their ids and their space."""
    from hetvs import encoders
    from hetvs.files import refuse_non_empty
    from hetvs.manifest import read_manifest
    from hetvs.progress import track

    if not overwrite:
        refuse_non_empty(output)
    manifest = read_manifest(data)
    rows = manifest.rows(config.split, config.rows)
    encoder = encoders.open_encoder(model, threads=config.threads)
    batches = track(encoders.batches(rows, config.batch_size), f"embed with {model.resolve().name}")
    vectors = encoders.embed(encoder, manifest, batches)
    vectors.save(output, overwrite=overwrite)
    n_images, dim = vectors.vectors_ND.shape
    click.echo(f"{output}: {n_images:,} vectors, D = {dim}, space {vectors.space.space_id}")
    click.echo(f"next: hetvs evaluate {data} --gallery-model {output} --query-model runs/edge -o report")
