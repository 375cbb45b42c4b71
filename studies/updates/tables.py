"""Values per query of one version: in a gallery of its own, and in those of earlier versions, oldest first."""

from __future__ import annotations

from collections.abc import Sequence

from hetvs.artifacts import EmbeddingSet, require_same_space
from hetvs.manifest import Manifest
from hetvs.retrieval.columns import columns_of
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.protocols import protocol_of
from hetvs.settings import require
from studies.shared.tables import KS, Table

ALONE = "alone"


def table_of(
    manifest: Manifest,
    protocol: str,
    model: EmbeddingSet,
    galleries: Sequence[EmbeddingSet],
    *,
    control: bool,
    threads: int = 0,
) -> Table:
    """Return the columns "alone/METRIC" and "0/METRIC", "1/METRIC", ... of the galleries.

    Raises IncompatibleSpaceError for a version in another space than a gallery. A `control` is in none of
    their spaces, which is checked, and is compared on bare arrays; of another dimension it has no such column.
    """
    for number, gallery in enumerate(galleries):
        if control:
            require(model.space.space_id != gallery.space.space_id, "a free model lives in the old space")
        else:
            require_same_space(model.space, gallery.space, "the new model", f"version {number}")
    judged = Judged.of(manifest, protocol_of(manifest, protocol))
    sides = {ALONE: model, **{str(number): gallery for number, gallery in enumerate(galleries)}}
    vectors = {name: judged.align(Contender(name, side)) for name, side in sides.items()}
    pairs = [(ALONE, name) for name in sides if vectors[name].shape == vectors[ALONE].shape]
    found = columns_of(judged, vectors, pairs, KS, threads)
    columns = {f"{gallery}/{metric}": values for (_, gallery, metric), values in found.values.items()}
    return Table(tuple(found.ids.tolist()), found.labels, columns)
