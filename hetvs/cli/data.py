"""`hetvs data`: named data sets, benchmarks in their own layouts, tar shards, and a check of the user's own table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings
from hetvs.config import FetchConfig, ImportConfig, ShardConfig, ViewsConfig
from hetvs.errors import ConfigError, ManifestError
from hetvs.settings import did_you_mean

if TYPE_CHECKING:
    from hetvs.manifest import Summary


@click.group()
def data() -> None:
    """List and fetch named data sets; import a benchmark; check a table of images, or write its images into tars."""


@data.command("list")
@json_option
def list_sets(as_json: bool) -> None:
    """List the named data sets."""
    import json

    from hetvs.datasets.registry import DATASETS

    if as_json:
        facts = {
            name: {
                "description": entry.description,
                "classes": entry.classes,
                "images": entry.images,
                "licences": list(entry.licences),
                "fetched_mb": entry.fetched_mb,
                "size_px": entry.size_px,
                "closed_set": entry.closed_set,
            }
            for name, entry in DATASETS.items()
        }
        click.echo(json.dumps(facts, indent=2))
        return
    for name, entry in DATASETS.items():
        click.echo(f"{name}: {entry.description}")
        click.echo(
            f"  {entry.classes:,} classes, {entry.images:,} images of {entry.size_px} px; fetches {entry.fetched_mb} MB"
        )
        click.echo(f"  licences of the images: {', '.join(entry.licences)}")
    click.echo(f"next: hetvs data fetch {next(iter(DATASETS))} -o data")


@data.command()
@click.argument("name")
@output_option
@settings(FetchConfig)
def fetch(name: str, output: Path, config: FetchConfig) -> None:
    """Fetch the data set NAME, verify it, and build its images and manifest.csv.

    A killed fetch goes on where it was; a finished one is verified and left alone.
    """
    from hetvs.datasets.registry import DATASETS
    from hetvs.manifest import read_manifest, summary
    from hetvs.progress import track

    if name not in DATASETS:
        raise ConfigError(f"data set {name!r} is unknown{did_you_mean(name, list(DATASETS))}")
    entry = DATASETS[name]
    built = entry.fetch(output, config.size or entry.size_px, lambda chunks: track(chunks, f"draw {name}"))
    click.echo(f"{output}: {'built' if built else 'already there, every file verified'}")
    _show(summary(read_manifest(output)))
    click.echo(f"next: hetvs {entry.next_command.format(folder=output)}")


@data.command("import")
@click.argument("layout")
@click.argument("folder", type=click.Path(path_type=Path))
@output_option
@overwrite_option
@settings(ImportConfig)
def import_set(layout: str, folder: Path, output: Path, overwrite: bool, config: ImportConfig) -> None:
    """Write the manifest of the public benchmark in FOLDER, in its own LAYOUT.

    LAYOUT is sop, cub, inshop, deepfashion2 or templates. Images stay where they are.
    """
    from hetvs.datasets.layouts.importer import import_layout
    from hetvs.datasets.layouts.registry import LAYOUTS
    from hetvs.manifest import read_manifest, summary

    import_layout(layout, folder, output, config, overwrite=overwrite)
    click.echo(f"{output}: {LAYOUTS[layout].description}")
    _show(summary(read_manifest(output)))
    after = f"train-teacher {output} -o runs/cloud" if LAYOUTS[layout].trains else f"data check {output}"
    click.echo(f"next: hetvs {after}")


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def check(path: Path, as_json: bool) -> None:
    """Check the table of images at PATH: every fault with its line, then what is in it."""
    import json
    from dataclasses import asdict

    from hetvs.manifest_check import faults
    from hetvs.progress import track

    found = faults(path, track=lambda chunks: track(chunks, "decode"))
    counted = _count(path)
    if as_json:
        listed = [{"file": str(fault.file), "line": fault.line, "text": fault.text} for fault in found]
        click.echo(json.dumps({"faults": listed, "summary": asdict(counted) if counted else None}, indent=2))
    else:
        for fault in found:
            click.echo(str(fault))
        if counted:
            _show(counted)
    if found:
        raise ManifestError(f"{path}: {len(found)} fault(s); correct the table and check again")
    if not as_json:
        click.echo(f"next: hetvs train-teacher {path} -o runs/cloud")


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@output_option
@overwrite_option
@settings(ShardConfig)
def shard(path: Path, output: Path, overwrite: bool, config: ShardConfig) -> None:
    """Write the images of the table at PATH into tar shards, with a manifest that reads them there."""
    from hetvs.manifest import read_manifest, summary
    from hetvs.manifest_shards import write_shards
    from hetvs.progress import track

    tars = write_shards(path, output, config, overwrite=overwrite, track=lambda chunks: track(chunks, "write tars"))
    click.echo(f"{output}: {tars:,} tar(s) of at most {config.images:,} images")
    _show(summary(read_manifest(output)))
    click.echo(f"next: hetvs train-teacher {output} -o runs/cloud")


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@output_option
@overwrite_option
@settings(ViewsConfig)
def views(path: Path, output: Path, overwrite: bool, config: ViewsConfig) -> None:
    """Write augmented views of the train images at PATH as images, for a teacher whose weights are elsewhere."""
    from hetvs.progress import track
    from hetvs.training.written_views import write_views

    count = write_views(path, output, config, overwrite=overwrite, track=lambda chunks: track(chunks, "write views"))
    click.echo(f"{output}: {count:,} views of {config.size} px, and the val images")
    click.echo(f"next: hetvs embed {output} --model runs/cloud -o vectors/views")
    click.echo(
        f"then: hetvs train-student {output} --teacher vectors/views --whole --source-size {config.size} -o runs/edge"
    )


def _count(path: Path) -> Summary | None:
    """Count what is in a table; None when its rows are too faulty to be read."""
    from hetvs.manifest import read_manifest, summary

    try:
        return summary(read_manifest(path))
    except ManifestError:
        return None


def _show(counted: Summary) -> None:
    """Print what is in a manifest."""
    domains = f", {counted.domains} domains" if counted.domains else ""
    click.echo(f"{counted.images:,} images of {counted.classes:,} classes{domains}")
    for split, images in counted.images_per_split.items():
        click.echo(f"  {split}: {images:,} images of {counted.classes_per_split[split]:,} classes")
    click.echo(
        f"  {counted.queries:,} queries ({counted.open_queries:,} without an answer in the gallery), "
        f"{counted.gallery:,} gallery images"
    )
