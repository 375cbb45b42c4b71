"""`hetvs calibrate`: thresholds of a query model in the gallery of another, and the map that keeps an old one valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, overwrite_option, settings
from hetvs.config import CalibrateConfig

if TYPE_CHECKING:
    from hetvs.config import EvaluateConfig
    from hetvs.retrieval.matrix import Contender, Judged
    from hetvs.retrieval.thresholds import Thresholds

folder = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=folder)
@click.option("--gallery-model", type=folder, required=True, help="Run, bundle or vectors of the gallery's model.")
@click.option("--query-model", type=folder, required=True, help="The same of the query model.")
@click.option("-o", "--output", type=folder, help="File to write  [default: thresholds.json beside the query model]")
@overwrite_option
@json_option
@settings(CalibrateConfig)
def calibrate(
    data: Path,
    gallery_model: Path,
    query_model: Path,
    output: Path | None,
    overwrite: bool,
    as_json: bool,
    config: CalibrateConfig,
) -> None:
    """Calibrate thresholds on the val images of DATA, asked in the gallery of its test images and their own.

    An FPIR belongs to a gallery: the best of more wrong items scores higher. Tries them on the test images and writes
    them as JSON.
    """
    import numpy as np

    from hetvs.contenders import enter, names_of
    from hetvs.errors import ConfigError
    from hetvs.manifest import read_manifest
    from hetvs.retrieval.matrix import Judged, require_contest
    from hetvs.retrieval.protocols import held_out, protocol_of
    from hetvs.retrieval.thresholds import THRESHOLDS_NAME
    from hetvs.retrieval.thresholds import calibrate as calibrated

    path = output or query_model / THRESHOLDS_NAME
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: exists; add --overwrite or choose another -o")
    named = zip((gallery_model, query_model), names_of([gallery_model, query_model]), strict=True)
    entrants = [enter(where, name) for where, name in named]
    require_contest(entrants[0].seat, [entrants[1].seat], None)
    manifest, judging = read_manifest(data), config.judging()
    served = protocol_of(manifest, config.protocol, "test")
    asking = held_out(manifest, served, "val")
    rows = np.union1d(asking.rows, served.rows)
    gallery, query = (
        e.contender(manifest, rows, batch_size=config.batch_size, threads=config.threads) for e in entrants
    )
    found = calibrated(Judged.of(manifest, asking), query, gallery, "val", judging)
    found.save(path)
    if as_json:
        click.echo(path.read_text(encoding="utf-8"))
    for line in _tried(found, Judged.of(manifest, served), query, gallery, judging):
        click.echo(line, err=as_json)
    click.echo(f"{path}: thresholds of {query.name} in the gallery of {gallery.name}", err=as_json)
    click.echo(
        f"next: hetvs evaluate {data} --gallery-model {gallery_model} --query-model {query_model} --open-set -o report",
        err=as_json,
    )


def _tried(
    found: Thresholds, tested: Judged, query: Contender, gallery: Contender, judging: EvaluateConfig
) -> Iterator[str]:
    """Say of each target what the thresholds accept on other queries: those of the paragon, mapped and not."""
    from hetvs.retrieval.thresholds import realised_fpir
    from hetvs.retrieval.words import percent

    known = {p.target: p.threshold.value for p in found.paragon.tpir if p.threshold.value is not None}
    plain = list(known.values())
    mapped = [found.map.from_paragon(threshold) for threshold in plain]
    # Each call scores a whole gallery, so all thresholds are judged in two.
    own = realised_fpir(tested, gallery, gallery, plain, judging) if known else []
    swapped = realised_fpir(tested, query, gallery, [*mapped, *plain], judging) if known else []
    for n, target in enumerate(known):
        yield (
            f"FPIR {100 * target:g} % on val: the paragon's threshold {plain[n]:.3f} becomes {mapped[n]:.3f}. "
            f"Of the unmated queries of test the paragon accepts {percent(own[n])} % at it, "
            f"{query.name} {percent(swapped[n])} % mapped and {percent(swapped[len(known) + n])} % unmapped"
        )
