"""A run or a folder of vectors in the rotated space of its gallery model: every cosine as it was, prefixes that work.

Both sides are rotated by one basis, or neither: the first finds it, the others take it over.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hetvs.artifacts import ModelCard, is_bundle
from hetvs.config import RotateConfig
from hetvs.contenders import Entrant, enter
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import new_folder
from hetvs.manifest import Manifest
from hetvs.models.fold import fold, folded_card
from hetvs.models.map_storage import load_map, save_map
from hetvs.models.storage import Prototypes, load_prototypes, load_run, save_run
from hetvs.refresh.maps import SpaceMap, mapped
from hetvs.refresh.rotation import ROTATION, require_begins, rotation_of
from hetvs.refresh.versions import VersionedVectors

SPLIT = "train"  # the basis is found on it: what is judged has no say


def enter_rotatable(model: Path) -> Entrant:
    """Read the card of a run, or vectors; ConfigError for a bundle, whose graph is closed."""
    if is_bundle(model):
        raise ConfigError(f"{model}: is a bundle; rotate its run and export that, or rotate its vectors")
    return enter(model, model.resolve().name)


def find_rotation(model: Path, manifest: Manifest, config: RotateConfig) -> SpaceMap:
    """Return the rotation into the basis of what `model`, a run or vectors, gives for the train split.

    Raises ConfigError for a bundle, and for fewer than 10 D train images (of vectors: with a vector).
    """
    entrant = enter_rotatable(model)
    rows = manifest.rows(SPLIT, config.rows)
    found = entrant.contender(manifest, rows, batch_size=config.batch_size, threads=config.threads).vectors
    known = found.rows_of(manifest.ids[rows].tolist())
    known = known[known >= 0]
    taught = replace(found, vectors_ND=found.vectors_ND[known], ids=tuple(np.array(found.ids)[known].tolist()))
    facts = {"data": str(manifest.source), "rows": config.rows, "by": str(model)}
    return rotation_of(taught, facts, model)


def taken_over(rotated: Path, model: Path) -> SpaceMap:
    """Return the rotation of what `hetvs rotate` wrote to `rotated`, for `model`, which must be of the same space.

    Raises ArtifactError where nothing was rotated, IncompatibleSpaceError for another space.
    """
    if not (rotated / ROTATION).is_dir():
        raise ArtifactError(f"{rotated}: holds no rotation; give a run or vectors that `hetvs rotate` wrote")
    rotation = load_map(rotated / ROTATION)
    require_begins(rotation, enter_rotatable(model).seat[1].space_id, str(model))
    return rotation


def rotate(model: Path, rotation: SpaceMap, output: Path, *, overwrite: bool = False) -> None:
    """Write the run or the vectors at `model` in the rotated space to `output`, with the rotation beside them."""
    with new_folder(output, overwrite=overwrite) as temporary:
        if enter_rotatable(model).vectors is not None:
            mapped(rotation, VersionedVectors.load(model), str(model)).save(temporary, overwrite=True)
        else:
            _rotate_run(model, rotation, temporary, output.name)
        save_map(temporary / ROTATION, rotation)


def _rotate_run(run: Path, rotation: SpaceMap, folder: Path, name: str) -> None:
    """Fold the rotation into the projection of a run, and turn its prototypes with it."""
    embedder, card = load_run(run)
    fold(embedder, torch.from_numpy(rotation.arrays["weight"]))
    card = replace(folded_card(embedder, card, rotation.card.to_space), name=name)
    card = replace(card, training={**card.training, "rotated": _provenance(run, rotation, card)})
    prototypes = load_prototypes(run)
    if prototypes is not None:
        turned_CD = torch.from_numpy(rotation.place(prototypes.rows_CD.numpy()))
        prototypes = Prototypes(turned_CD, prototypes.labels, prototypes.scale)
    save_run(folder, embedder, card, prototypes)


def _provenance(run: Path, rotation: SpaceMap, card: ModelCard) -> dict[str, str]:
    """Return what the card of a rotated run says of its origin."""
    return {"from": str(run), "parent": card.space.parent, "basis": rotation.card.weights_digest}
