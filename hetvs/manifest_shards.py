"""A table of images -> tar shards that hold them, and the same table that names them there.

The tars follow WebDataset (arXiv 2001.01858: members of one image share a name, the facts of it are in `NAME.json`), so
that its loaders read them too. Here they are read at random (`hetvs.shards`), because a stream through a shuffle
buffer cannot give the batches that (seed, step) alone decide.
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hetvs.config import ShardConfig
from hetvs.files import new_folder, write_text
from hetvs.manifest import read_manifest
from hetvs.manifest_table import FACTS_FILE, Table, read_table, table_text
from hetvs.shards import TAR, open_image, write_index

Track = Callable[[list[list[str]]], Iterable[list[str]]]


def write_shards(
    data: Path, output: Path, config: ShardConfig, *, overwrite: bool = False, track: Track = lambda chunks: chunks
) -> int:
    """Write the images of the table at `data` into tars in the new folder `output`, manifest.csv beside them.

    Ids, labels and all other columns stay; a table without ids gets the paths as written, which were its ids. An image
    of several rows is kept once. Returns the number of tars; raises ManifestError for a fault of the table.
    """
    read_manifest(data)  # for its checks
    table = read_table(data)
    cells = list(dict.fromkeys(table.column("path")))
    chunks = [cells[start : start + config.images] for start in range(0, len(cells), config.images)]
    facts = _facts(table)
    place: dict[str, str] = {}
    with new_folder(output, overwrite=overwrite) as temporary:
        for number, chunk in enumerate(track(chunks)):
            shard = temporary / f"images-{number:06}{TAR}"
            names = {cell: f"{len(place) + k:09}{Path(cell).suffix.lower()}" for k, cell in enumerate(chunk)}
            with tarfile.open(shard, "w:", format=tarfile.USTAR_FORMAT) as tar:
                for cell, name in names.items():
                    with open_image(table.path(cell)) as stream:
                        _add(tar, name, stream.read())
                    _add(tar, str(Path(name).with_suffix(".json")), json.dumps(facts[cell]).encode())
            write_index(shard)
            place |= {cell: f"{shard.name}/{name}" for cell, name in names.items()}
        write_text(temporary / "manifest.csv", _text(table, place))
        if (table.folder / FACTS_FILE).is_file():
            shutil.copy(table.folder / FACTS_FILE, temporary / FACTS_FILE)
    return len(chunks)


def _facts(table: Table) -> dict[str, list[dict[str, str]]]:
    """Return the rows of each image as column -> cell."""
    facts: dict[str, list[dict[str, str]]] = {}
    for cell, row in zip(table.column("path"), table.rows, strict=True):
        facts.setdefault(cell, []).append(dict(zip(table.columns, row.cells, strict=True)))
    return facts


def _text(table: Table, place: dict[str, str]) -> str:
    """Return the table as CSV with its paths replaced, and with ids."""
    columns, cells = list(table.columns), table.column("path")
    path = columns.index("path")
    rows: list[Sequence[str]] = [
        [*row.cells[:path], place[cell], *row.cells[path + 1 :]] for cell, row in zip(cells, table.rows, strict=True)
    ]
    if "id" in columns:
        return table_text(columns, rows)
    return table_text(["id", *columns], ([cell, *row] for cell, row in zip(cells, rows, strict=True)))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Append a file without time or owner, so that the same images are the same tar."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
