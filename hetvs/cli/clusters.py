"""`hetvs clusters`: do the clusters of a gallery survive an update?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from hetvs.cli.options import json_option, settings
from hetvs.config import ClustersConfig

folder = click.Path(path_type=Path)


@click.command()
@click.argument("before", type=folder)
@click.argument("after", type=folder, nargs=-1, required=True)
@json_option
@settings(ClustersConfig)
def clusters(before: Path, after: tuple[Path, ...], as_json: bool, config: ClustersConfig) -> None:
    """Cluster the vectors BEFORE and AFTER an update, each set alone, and say which clusters survive."""
    from hetvs.artifacts import EmbeddingSet
    from hetvs.refresh.clusters import cluster, shared_rows, survival
    from hetvs.retrieval.words import percent

    old, found = EmbeddingSet.load(before), {}
    for path in after:
        new = EmbeddingSet.load(path)
        old_rows, new_rows = shared_rows(old, new)
        sides = (old.vectors_ND[old_rows], new.vectors_ND[new_rows])
        found[str(path)] = survival(*(cluster(vectors_nD, config) for vectors_nD in sides))
    if as_json:
        click.echo(json.dumps({path: survived.to_json() for path, survived in found.items()}, allow_nan=False))
    for name, survived in found.items():
        click.echo(
            f"{name}: adjusted Rand index {percent(survived.ari)} % on {survived.images:,} images; "
            f"of {survived.before:,} clusters {survived.kept:,} are kept and {survived.split:,} split; "
            f"of {survived.after:,} after, {survived.merged:,} are merged",
            err=as_json,
        )
    click.echo(f"next: hetvs backfill curve DATA --old {before} --new {after[0]}", err=as_json)
