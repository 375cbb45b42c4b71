"""Values per query of one model under every protocol: read from its vectors once, kept in files.

A study says everything from these columns; the vectors of the test images are not looked at again.
"manifest, genre=brush" is a slice of a protocol: the queries of "manifest" with that value alone, on the same gallery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hetvs.arrays import array_digest, load_array, save_array
from hetvs.artifacts import EmbeddingSet, require_same_space
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import new_folder, read_json, write_json
from hetvs.manifest import Manifest
from hetvs.retrieval import fidelity
from hetvs.retrieval.columns import columns_of
from hetvs.retrieval.matrix import Contender, Judged, top_lists
from hetvs.retrieval.protocols import protocol_of
from hetvs.settings import require

Role = Literal["cloud", "student", "baseline", "control"]
ROLES: tuple[Role, ...] = ("cloud", "student", "baseline", "control")
KS = (1, 5)
CARD = "columns.json"
MATCHED = ("student", "control")  # compared with the cloud model image by image
SLICE = ", "  # between a protocol and a condition on its queries
LETTER = {"cloud": "g", "student": "q", "baseline": "base", "control": "q"}


@dataclass(frozen=True)
class Table:
    """One value per answerable query (M,) in every column; a column is "pair/metric", such as "q,g/map"."""

    ids: tuple[str, ...]
    labels: np.ndarray
    columns: dict[str, np.ndarray]

    def take(self, chosen_M: np.ndarray) -> Table:
        """Return the queries with a True in `chosen_M`."""
        ids = tuple(name for name, chosen in zip(self.ids, chosen_M, strict=True) if chosen)
        return Table(ids, self.labels[chosen_M], {name: values[chosen_M] for name, values in self.columns.items()})


def tables_of(
    manifest: Manifest, protocols: Sequence[str], role: Role, gallery: EmbeddingSet, query: EmbeddingSet, threads: int
) -> dict[str, Table]:
    """Return the columns of a model by protocol: on itself, and (but for a cloud model) on the gallery model.

    A slice of a protocol is cut out of it after the search. A baseline and a control are not in the gallery
    model's space and are compared on bare arrays; ConfigError when one is, and for a slice without queries.
    Raises IncompatibleSpaceError for a student of another space.
    """
    if role == "student":
        require_same_space(query.space, gallery.space, "the student", "the gallery model")
    elif role != "cloud" and query.space.space_id == gallery.space.space_id:
        raise ConfigError(f"a {role} lives in the gallery's space; it is a student")
    whole = {
        name: _table(manifest, name, role, gallery, query, threads) for name in dict.fromkeys(map(whole_of, protocols))
    }
    return {name: _slice(manifest, whole[whole_of(name)], name) for name in protocols}


def whole_of(protocol: str) -> str:
    """Return the protocol that a slice is of; a protocol is of itself.

    >>> whole_of("manifest, genre!=brush"), whole_of("B")
    ('manifest', 'B')
    """
    return protocol.partition(SLICE)[0]


def _slice(manifest: Manifest, table: Table, name: str) -> Table:
    """Return the queries of `table` that match the condition of `name`; all of them where it has none."""
    where = name.partition(SLICE)[2]
    if not where:
        return table
    chosen_M = np.isin(table.ids, manifest.ids[manifest.rows(where=where)])
    require(bool(chosen_M.any()), f"{manifest.source}: protocol {name!r} has no query; take another value")
    return table.take(chosen_M)


def _table(
    manifest: Manifest, protocol: str, role: Role, gallery: EmbeddingSet, query: EmbeddingSet, threads: int
) -> Table:
    judged = Judged.of(manifest, protocol_of(manifest, protocol))
    letter = LETTER[role]
    sides = {"g": gallery, letter: query}
    vectors = {name: judged.align(Contender(name, side)) for name, side in sides.items()}
    alike = vectors[letter].shape == vectors["g"].shape
    pairs = dict.fromkeys([(letter, letter), *([(letter, "g")] if alike else [])])
    found = columns_of(judged, vectors, pairs, KS, threads)
    columns = {f"{q},{g}/{metric}": values for (q, g, metric), values in found.values.items()}
    if role in MATCHED:
        lists = [top_lists(judged, vectors[name], vectors["g"], fidelity.OVERLAP_K, threads) for name in (letter, "g")]
        shown = [side[found.positions] for side in (vectors[letter], vectors["g"], *lists)]
        columns |= {f"q,g/{measure}": values for measure, values in fidelity.per_query(*shown).items()}
    return Table(tuple(found.ids.tolist()), found.labels, columns)


def save(folder: Path, tables: dict[str, Table], *, overwrite: bool) -> None:
    """Write columns.json and an array (M, C) per protocol; they appear together or not at all."""
    with new_folder(folder, overwrite=overwrite) as temporary:
        card = {}
        for name, table in tables.items():
            values_MC = np.column_stack(list(table.columns.values()))
            save_array(temporary / f"{name}.npy", values_MC)
            queries = {"ids": list(table.ids), "labels": table.labels.tolist()}
            card[name] = {"columns": list(table.columns), "digest": array_digest(values_MC), **queries}
        write_json(temporary / CARD, card)


def load(folder: Path) -> dict[str, Table]:
    """Read what `save` wrote; ArtifactError when an array was changed since."""
    tables = {}
    for name, card in read_json(folder / CARD).items():
        values_MC = load_array(folder / f"{name}.npy")
        if array_digest(values_MC) != card["digest"]:
            raise ArtifactError(f"{folder / name}.npy: digest differs from {CARD}; delete the folder and run again")
        columns = dict(zip(card["columns"], values_MC.T, strict=True))
        tables[name] = Table(tuple(card["ids"]), np.array(card["labels"]), columns)
    return tables
