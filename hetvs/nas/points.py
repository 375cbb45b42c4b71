"""A point of the front -> a run: the subnet of the supernet, in the cloud's space, not trained further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.files import new_folder
from hetvs.models.backbones import SEARCHED
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import save_run, weights_digest
from hetvs.nas.candidate import Candidate
from hetvs.nas.network import preprocess_of
from hetvs.nas.space import Architecture, encode


def card_of(embedder: Embedder, arch: Architecture, space: SpaceCard, name: str) -> ModelCard:
    """Return the card of a recalibrated subnet; its genes are in it, so that the run needs no other file."""
    return ModelCard(
        name=name,
        role="student",
        backbone=SEARCHED,
        backbone_options={"genes": encode(arch)},
        space=space,
        preprocess=preprocess_of(arch.space, arch.img_size),
        weights_digest=weights_digest(embedder),
        macs=macs_of(embedder, arch.img_size),
        parameters=parameters_of(embedder),
    )


def write_point(
    folder: Path, embedder: Embedder, candidate: Candidate, space: SpaceCard, data: Path, rewards: Mapping[str, float]
) -> None:
    """Write the run of a candidate, whole or not at all; one of an earlier go is replaced.

    The card holds what the search saw of it (`search/R2`) and the `rewards` of what is written (`val/R2`).
    """
    card = card_of(embedder, candidate.arch, space, folder.name)
    seen = {"search": candidate.scores, "val": rewards}
    scores = {f"{when}/{name}": round(value, 6) for when, found in seen.items() for name, value in found.items()}
    facts = {"data": str(data), "candidate": candidate.number, "generation": candidate.generation}
    with new_folder(folder, overwrite=True) as temporary:
        save_run(temporary, embedder, replace(card, validation=scores, training=facts))
