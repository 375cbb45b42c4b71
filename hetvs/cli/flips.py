"""`hetvs flips` and `hetvs compare`: which right answers an update loses, as figures and as pictures."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings, words_of
from hetvs.config import CompareConfig, FlipsConfig

if TYPE_CHECKING:
    from hetvs.manifest import Manifest
    from hetvs.retrieval.flip_page import FlipPage

model_path = click.Path(path_type=Path)
Pair = tuple[Path, Path]  # a query model and a gallery model


@click.command()
@click.argument("data", type=model_path)
@click.option(
    "--before",
    type=model_path,
    nargs=2,
    required=True,
    metavar="QUERY GALLERY",
    help="Query model and gallery model of the old system, each a run, a bundle or vectors.",
)
@click.option(
    "--after", type=model_path, nargs=2, required=True, metavar="QUERY GALLERY", help="The same of the new system."
)
@click.option("-o", "--output", type=model_path, required=True, help="Page to write, for example flips.html.")
@overwrite_option
@json_option
@settings(FlipsConfig)
def flips(
    data: Path,
    before: Pair,
    after: Pair,
    output: Path,
    overwrite: bool,
    as_json: bool,
    config: FlipsConfig,
) -> None:
    """Show the queries of DATA that were answered right before and are answered wrong now, with both answers."""
    from hetvs.files import write_text
    from hetvs.manifest import read_manifest
    from hetvs.retrieval.flip_page import render_flips

    _require_free(output, overwrite)
    page = _judge(read_manifest(data), before, after, config)
    systems = ("--before", *map(str, before), "--after", *map(str, after))
    command = shlex.join(["hetvs", "flips", str(data), *systems, *words_of(config), "-o", "flips.html"])
    write_text(output, render_flips(replace(page, command=command)))
    _say(page.comparison.to_json(), page.comparison.lines(), as_json)
    click.echo(f"page: {output}", err=as_json)
    click.echo(f"next: hetvs train-student {data} --teacher runs/cloud --focal 5 -o runs/edge-focal", err=as_json)


def _judge(manifest: Manifest, old: Pair, new: Pair, config: FlipsConfig) -> FlipPage:
    """Embed the judged images with every model once, and count and show the flips from `old` to `new`."""
    from hetvs.artifacts import require_same_space
    from hetvs.contenders import enter, names_of
    from hetvs.retrieval.flip_page import FlipPage
    from hetvs.retrieval.flip_search import System, compare_systems, flipped_queries
    from hetvs.retrieval.matrix import Judged
    from hetvs.retrieval.protocols import protocol_of

    folders = list(dict.fromkeys([*old, *new]))
    named = dict(zip(folders, names_of(folders), strict=True))
    entrants = {folder: enter(folder, name) for folder, name in named.items()}
    for asks, asked in (old, new):
        require_same_space(entrants[asks].seat[1], entrants[asked].seat[1], named[asks], named[asked])
    protocol = protocol_of(manifest, config.protocol, config.split, config.rows)
    judged = Judged.of(manifest, protocol)
    vectors = {
        folder: judged.align(e.contender(manifest, protocol.rows, batch_size=config.batch_size, threads=config.threads))
        for folder, e in entrants.items()
    }
    before, after = (System(named[q], named[g], vectors[q], vectors[g]) for q, g in (old, new))
    found = compare_systems(judged, before, after, config)
    return FlipPage(
        comparison=found,
        setup=f"Protocol {protocol.name}, {protocol.split} split: {protocol.description}. {found.items:,} queries; "
        f"right is a relevant image within rank {config.k}; {config.draws:,} bootstrap draws of {found.resampled}.",
        score="cosine",
        flipped=flipped_queries(judged, manifest, before, after, found, config),
    )


@click.command()
@click.argument("data", type=model_path)
@click.option("--old", "old_runs", type=model_path, required=True, multiple=True, help="Earlier classifier, a run.")
@click.option(
    "--new", "new_runs", type=model_path, required=True, multiple=True, help="New classifier; repeat for an ensemble."
)
@output_option
@overwrite_option
@json_option
@settings(CompareConfig)
def compare(
    data: Path,
    old_runs: tuple[Path, ...],
    new_runs: tuple[Path, ...],
    output: Path,
    overwrite: bool,
    as_json: bool,
    config: CompareConfig,
) -> None:
    """Compare two classifiers on DATA: accuracy, flips, and every negative flip as a picture.

    A repeated --old or --new is an ensemble, by the mean of its logits.
    """
    from hetvs.classifier_contest import judge_classifiers, write_comparison
    from hetvs.classifiers import Ensemble
    from hetvs.files import refuse_non_empty
    from hetvs.manifest import read_manifest

    if not overwrite:
        refuse_non_empty(output)
    old, new = (Ensemble.load(runs) for runs in (old_runs, new_runs))
    judged = judge_classifiers(read_manifest(data), old, new, config)
    runs = [
        word for flag, paths in (("--old", old_runs), ("--new", new_runs)) for p in paths for word in (flag, str(p))
    ]
    command = shlex.join(["hetvs", "compare", str(data), *runs, *words_of(config), "-o", "comparison"])
    write_comparison(judged, output, command, config, overwrite=overwrite)
    _say(judged.comparison.to_json(), judged.comparison.lines(), as_json)
    click.echo(f"report: {output / 'flips.html'}", err=as_json)
    again = f"train-classifier {data} --old {old_runs[0]} --congruent focal -o runs/v2-focal"
    click.echo(f"next: hetvs {again}", err=as_json)


def _require_free(path: Path, overwrite: bool) -> None:
    """Raise ConfigError for a page that is there already, or a folder."""
    from hetvs.errors import ConfigError

    if path.is_dir() or (path.exists() and not overwrite):
        hint = "name a file in it" if path.is_dir() else "add --overwrite or choose another -o"
        raise ConfigError(f"{path}: is {'a folder' if path.is_dir() else 'there already'}; {hint}")


def _say(facts: dict[str, object], lines: list[tuple[str, str]], as_json: bool) -> None:
    """Print the figures, as JSON or as a table."""
    if as_json:
        click.echo(json.dumps(facts, allow_nan=False))
        return
    width = max(len(name) for name, _ in lines)
    for name, number in lines:
        click.echo(f"{name:<{width}}  {number}")
