"""`hetvs adapt`: learn a map between two spaces, and apply it to vectors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hetvs.cli.options import json_option, output_option, overwrite_option, settings
from hetvs.config import AdaptConfig
from hetvs.errors import ConfigError

folder = click.Path(path_type=Path)


class FitFirst(click.Group):
    """`hetvs adapt --from A ...` is `hetvs adapt fit --from A ...`: fit is meant where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `fit` before arguments that begin with an option of it."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["fit", *args]
        return super().parse_args(ctx, args)


@click.group(cls=FitFirst)
def adapt() -> None:
    """Learn a map from the space of one model to that of another (`fit`, also without its name), or apply it."""


@adapt.command()
@click.option("--from", "source", type=folder, required=True, help="Run, bundle or vectors where the map begins.")
@click.option("--to", "target", type=folder, required=True, help="Run, bundle or vectors where the map ends.")
@click.option("--data", type=folder, help="Manifest of the images to learn on  [default: the one of the run in --to]")
@output_option
@overwrite_option
@json_option
@settings(AdaptConfig)
def fit(
    source: Path,
    target: Path,
    data: Path | None,
    output: Path,
    overwrite: bool,
    as_json: bool,
    config: AdaptConfig,
) -> None:
    """Learn a map and judge whether the update rule holds through it."""
    from hetvs.files import refuse_non_empty
    from hetvs.manifest import read_manifest
    from hetvs.models.map_storage import save_map
    from hetvs.training import adapt as training

    if not overwrite:
        refuse_non_empty(output)
    space_map, judgement = training.adapt(read_manifest(data or _recorded_data(target)), source, target, config)
    save_map(output, space_map, overwrite=overwrite)
    card = space_map.card
    if as_json:
        click.echo(json.dumps(card.to_json(), allow_nan=False))
    click.echo(
        f"{output}: {card.method}, {card.direction}, space {card.from_space.space_id} to {card.to_space.space_id}, "
        f"learned on {card.pairs:,} images of {config.fit}; mean cosine {judgement.cosine:.3f} on {config.split}",
        err=as_json,
    )
    for sentence in judgement.sentences():
        click.echo(sentence, err=as_json)
    click.echo(f"next: hetvs adapt apply {output} vectors/old -o vectors/mapped", err=as_json)


@adapt.command()
@click.argument("space_map", metavar="MAP", type=folder)
@click.argument("vectors", type=folder)
@output_option
@overwrite_option
def apply(space_map: Path, vectors: Path, output: Path, overwrite: bool) -> None:
    """Write the VECTORS of a gallery (or of queries) in the space where MAP ends; each row names the map."""
    from hetvs.files import refuse_non_empty
    from hetvs.models.map_storage import load_map
    from hetvs.refresh.maps import mapped
    from hetvs.refresh.versions import VersionedVectors

    if not overwrite:
        refuse_non_empty(output)
    loaded = load_map(space_map)
    placed = mapped(loaded, VersionedVectors.load(vectors), str(vectors))
    placed.save(output, overwrite=overwrite)
    space = placed.vectors.space
    click.echo(f"{output}: {len(placed.vectors.ids):,} vectors, D = {space.dim}, space {space.space_id}, mapped")
    role = "--gallery-model" if loaded.card.direction == "forward" else "--query-model"
    click.echo(f"next: hetvs evaluate DATA {role} {output} ... -o report")


def _recorded_data(run: Path) -> Path:
    """Return the manifest that a run was trained on; ConfigError where it is not recorded or has moved."""
    from hetvs.artifacts import CARD_NAME, ModelCard

    recorded = ModelCard.load(run).training.get("data") if (run / CARD_NAME).is_file() else None
    if not isinstance(recorded, str) or not Path(recorded).exists():
        raise ConfigError(f"{run}: does not say which images to learn on, or they are gone; add --data")
    return Path(recorded)
