"""The command that hands out a teacher as vectors alone: those of the images that a student's recipe trains on."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option
from hetvs.config import StudentConfig
from hetvs.encoders import batches, embed, open_encoder
from hetvs.manifest import read_manifest
from hetvs.progress import track
from hetvs.settings import read_config
from hetvs.training.images import images_of
from studies.product.pair import together

BATCH = 64


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Run or bundle that embeds.")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="Recipe of the student.")
@click.option("--threads", default=0, help="CPU threads; 0 takes every core.")
@output_option
@overwrite_option
def main(data: Path, teacher: Path, config: Path, threads: int, output: Path, overwrite: bool) -> None:
    """Embed the train images (extra ones too) and the val images of DATA that a student of TEACHER looks at."""
    manifest, recipe = read_manifest(data), read_config(StudentConfig, config)
    encoder, store = open_encoder(teacher, threads=threads), images_of(manifest, recipe)
    parts = [
        embed(encoder, table, track(batches(rows, BATCH), f"embed {split} images"))
        for split, table, rows in (
            ("train", store.manifest, store.rows),
            ("val", manifest, manifest.rows("val", recipe.rows)),
        )
    ]
    together(parts).save(output, overwrite=overwrite)


if __name__ == "__main__":
    main()
