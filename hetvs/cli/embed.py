"""`hetvs embed`: images and a model become a folder of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hetvs.cli.options import output_option, overwrite_option, settings
from hetvs.config import EmbedConfig

if TYPE_CHECKING:
    import numpy as np

    from hetvs.artifacts import EmbeddingSet
    from hetvs.retrieval.intervals import Estimate

QUERIES = 2000  # that say what rounding loses


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--model", type=click.Path(path_type=Path), required=True, help="Run, bundle or foreign .onnx that embeds."
)
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
    if config.dim:
        encoder.card.space.prefix(config.dim)  # refused before anything is embedded
    batches = track(encoders.batches(rows, config.batch_size), f"embed with {model.resolve().name}")
    vectors = encoders.embed(encoder, manifest, batches)
    if config.dim:
        vectors = vectors.prefix(config.dim)
    if config.vectors == "int8":
        vectors = _rounded(vectors, manifest.labels[rows], config.threads)
    vectors.save(output, overwrite=overwrite)
    n_images, dim = vectors.vectors_ND.shape
    click.echo(f"{output}: {n_images:,} {vectors.precision} vectors, D = {dim}, space {vectors.space.space_id}")
    after = f"evaluate {data} --gallery-model {output} --query-model runs/edge -o report"
    if config.dim:
        after = f"export runs/edge --dim {dim} -o bundles/edge-{dim}"
    click.echo(f"next: hetvs {after}")


def _rounded(vectors: EmbeddingSet, labels: np.ndarray, threads: int) -> EmbeddingSet:
    """Return the vectors as int8, and say what they lose when they are asked with some of themselves in fp32."""
    import numpy as np

    from hetvs.retrieval.rounding import CANDIDATES, rounding_loss
    from hetvs.retrieval.search import Items

    rounded = vectors.rounded()
    gallery = Items(vectors.vectors_ND, np.array(vectors.ids), labels)
    asked = np.linspace(0, len(labels) - 1, min(QUERIES, len(labels)), dtype=np.int64)
    query = Items(*(side[asked] for side in (gallery.vectors_nD, gallery.ids, gallery.labels)))
    lost = rounding_loss(query, gallery, rounded.vectors_ND, threads=threads)
    for name, title in (("", "int8 as it is"), ("rescored_", f"{CANDIDATES}k answers re-scored")):
        kept, gone = lost[f"{name}overlap@10"], lost[f"{name}recall@1_loss"]
        click.echo(f"{title}: {_percent(kept)} of the first ten answers stay, recall@1 loses {_percent(gone)} points")
    return rounded


def _percent(estimate: Estimate) -> str:
    """Return a share times 100, with its interval where there is one."""
    interval = "" if estimate.low is None else f" [{100 * estimate.low:.2f}, {100 * (estimate.high or 0):.2f}]"
    return f"{100 * (estimate.value or 0):.2f}{interval}"
