"""A map on disk: map.safetensors and card.json, which appear together."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from hetvs.artifacts import CARD_NAME
from hetvs.errors import ArtifactError
from hetvs.files import new_folder, read_json, write_bytes, write_json
from hetvs.refresh.maps import MapCard, SpaceMap, digest_of

ARRAYS_NAME = "map.safetensors"


def save_map(folder: Path, space_map: SpaceMap, *, overwrite: bool = False) -> None:
    """Write the arrays and the card of a map into a new folder."""
    with new_folder(folder, overwrite=overwrite) as temporary:
        write_bytes(temporary / ARRAYS_NAME, save(space_map.arrays))
        write_json(temporary / CARD_NAME, space_map.card.to_json())


def load_map(folder: Path) -> SpaceMap:
    """Read a folder written by `save_map`; ArtifactError when it is none, or the arrays are not those of its card."""
    path = folder / ARRAYS_NAME
    if not path.is_file():
        raise ArtifactError(f"{folder}: holds no map ({ARRAYS_NAME}); give a folder that `hetvs adapt` wrote")
    card = MapCard.from_json(read_json(folder / CARD_NAME), str(folder / CARD_NAME))
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(
            f"{path}: corrupt: {' '.join(str(error).split())[:160]}; run `hetvs adapt` again"
        ) from error
    if digest_of(arrays) != card.weights_digest:
        raise ArtifactError(f"{path}: differs from the digest in {CARD_NAME}; run `hetvs adapt` again")
    return SpaceMap(card, arrays)
