"""`hetvs check`: is a bundle whole, right on this machine, and in the space of the others?"""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import json_option


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Vectors, bundle or run that must share the space; may be repeated.",
)
@json_option
def check(bundle: Path, against: tuple[Path, ...], as_json: bool) -> None:
    """Prove that BUNDLE is whole, gives its golden vectors here, and shares a space."""
    import json

    from export.verify import check_bundle

    checked = check_bundle(bundle, against)
    space = checked.bundle.card.space
    if as_json:
        facts = {
            "bundle": str(bundle),
            "space_id": space.space_id,
            "golden_images": len(checked.bundle.golden_ids),
            "golden_max_abs": checked.golden_max_abs,
            "tolerance": checked.bundle.tolerance,
            "golden_files": list(checked.bundle.golden_files),
            "resize_max_levels": checked.resize_max_levels,
            "same_space": [str(other) for other in against],
        }
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(
        f"{bundle}: whole; space {space.space_id}, D={space.dim}, input {checked.bundle.card.preprocess.size_px} px"
    )
    click.echo(
        f"golden: {len(checked.bundle.golden_ids)} images, largest difference {checked.golden_max_abs:.1e} "
        f"(tolerance {checked.bundle.tolerance:g})"
    )
    click.echo(
        f"resize: {len(checked.bundle.golden_files)} golden files, largest difference "
        f"{checked.resize_max_levels} of 255 levels"
    )
    for other in against:
        click.echo(f"same space: {other}")
    click.echo(f"next: hetvs bench {bundle} -o bench/")
