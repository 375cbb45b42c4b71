"""`hetvs rotate`: the first components of every vector become the ones that are worth most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings
from hetvs.config import RotateConfig
from hetvs.errors import ConfigError

if TYPE_CHECKING:
    from hetvs.refresh.maps import SpaceMap

folder = click.Path(path_type=Path)


@click.command()
@click.argument("model", metavar="RUN|VECTORS", type=folder)
@click.option("--data", type=folder, help="Manifest of the images to find the basis on  [default: the run's own]")
@click.option("--basis", type=folder, help="Take over the basis of this rotated run or vectors: the other side of it.")
@output_option
@overwrite_option
@json_option
@settings(RotateConfig)
def rotate(
    model: Path,
    data: Path | None,
    basis: Path | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
    config: RotateConfig,
) -> None:
    """Rotate the space of a gallery model so that prefixes of its vectors can be asked; no cosine changes.

    The rotated run or vectors are in a space of their own. Students are trained into it, or follow by --basis.
    """
    from hetvs.files import refuse_non_empty
    from hetvs.rotate import rotate as rotated
    from hetvs.rotate import taken_over

    if not overwrite:
        refuse_non_empty(output)
    rotation = taken_over(basis, model) if basis else _found(model, data, config)
    rotated(model, rotation, output, overwrite=overwrite)
    _say(rotation, output, as_json)
    half = rotation.card.to_space.dim // 2
    after = f"train-student DATA --teacher {output} --prefixes {half} -o runs/edge"
    if basis:
        after = f"evaluate DATA --gallery-model {basis} --query-model {output} --prefixes {half} -o report"
    click.echo(f"next: hetvs {after}", err=as_json)


def _found(model: Path, data: Path | None, config: RotateConfig) -> SpaceMap:
    """Return the rotation into the basis of the train split of `data`, or of what the run was trained on."""
    from hetvs.artifacts import CARD_NAME, ModelCard
    from hetvs.manifest import read_manifest
    from hetvs.rotate import enter_rotatable, find_rotation

    enter_rotatable(model)
    recorded = ModelCard.load(model).training.get("data") if (model / CARD_NAME).is_file() else None
    where = data or (Path(recorded) if isinstance(recorded, str) else None)
    if where is None or not where.exists():
        raise ConfigError(f"{model}: does not say which images to find the basis on, or they are gone; add --data")
    return find_rotation(model, read_manifest(where), config)


def _say(rotation: SpaceMap, output: Path, as_json: bool) -> None:
    """Print the spaces, and what share of the squared length each prefix keeps on the train images."""
    from hetvs.refresh.rotation import halves

    card = rotation.card
    if as_json:
        click.echo(json.dumps(card.to_json(), allow_nan=False))
        return
    click.echo(
        f"{output}: D = {card.to_space.dim}, space {card.from_space.space_id} rotated to {card.to_space.space_id}, "
        f"basis of {card.pairs:,} train images"
    )
    for dim in halves(card.to_space.dim):
        energy, space_id = card.fitted["energy"][dim - 1], card.to_space.prefix(dim).space_id
        click.echo(f"prefix {dim:>4}: energy {100 * energy:5.1f} %, space {space_id}")
