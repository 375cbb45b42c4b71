"""The folder of a named data set: `dataset.json` says what it is, and proves that it is whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hetvs.errors import ArtifactError, DatasetError
from hetvs.files import digest_file, digest_json, read_json, write_json
from hetvs.manifest_table import FACTS_FILE


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """Identity of a built set; `digest` covers every file beside the card, and is "" until all are there.

    `closed_set` lets the table have a class in several splits (`hetvs.manifest_table`).
    """

    name: str
    builder_version: int
    size_px: int
    closed_set: bool = False
    digest: str = ""


def is_complete(folder: Path, wanted: DatasetCard) -> bool:
    """Say whether `wanted` is in `folder`, whole and unchanged; False when it is new or a killed run left it.

    Raises DatasetError when the folder holds something else, the same set at another size, or files
    that changed since they were built.
    """
    if not (folder / FACTS_FILE).is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DatasetError(f"{folder}: not empty and not a data set of ours; choose another -o")
        return False
    found = _read_card(folder)
    if found.name != wanted.name or found.builder_version != wanted.builder_version:
        raise DatasetError(
            f"{folder}: holds {found.name} of builder {found.builder_version}, not {wanted.name} of builder "
            f"{wanted.builder_version}; choose another -o"
        )
    if found.size_px != wanted.size_px:
        raise DatasetError(
            f"{folder}: holds images of {found.size_px} px, not {wanted.size_px}; "
            f"choose another -o, or add --size {found.size_px}"
        )
    if found.digest and found.digest != _digest(folder):
        raise DatasetError(f"{folder}: files changed since they were built; delete the folder and fetch again")
    return bool(found.digest)


def begin(folder: Path, card: DatasetCard) -> None:
    """Write the card without a digest: the first step of a build, so that a killed one is known for what it is."""
    write_json(folder / FACTS_FILE, asdict(card))


def complete(folder: Path, card: DatasetCard) -> None:
    """Write the card with the digest of every file: the last step of a build."""
    write_json(folder / FACTS_FILE, asdict(replace(card, digest=_digest(folder))))


def _read_card(folder: Path) -> DatasetCard:
    """Read dataset.json; DatasetError when it is not one."""
    try:
        return DatasetCard(**read_json(folder / FACTS_FILE))
    except (ArtifactError, TypeError) as error:
        raise DatasetError(
            f"{folder / FACTS_FILE}: not readable: {error}; delete the folder and fetch again"
        ) from error


def _digest(folder: Path) -> str:
    """Return one sha256 over the names and bytes of every file, temporary ones and the card left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return digest_json(
        {path.relative_to(folder).as_posix(): digest_file(path) for path in files if path.name != FACTS_FILE}
    )
