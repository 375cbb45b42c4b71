"""Architectures that were trained alone too: both scores of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hetvs.artifacts import SpaceCard, require_same_space
from hetvs.errors import ConfigError
from hetvs.models.backbones import SEARCHED
from hetvs.models.storage import load_run
from hetvs.nas.judge import Judge
from hetvs.nas.proxy import Pairing
from hetvs.nas.space import decode


def pairings_of(judge: Judge, space: SpaceCard, runs: Sequence[Path]) -> list[Pairing]:
    """Return R2 of every run, by its cut of the supernet and as the run itself, on the same val images.

    Raises ConfigError for a run that is no architecture of the supernet, or for two runs of one architecture;
    IncompatibleSpaceError for one of another space.
    """
    found: dict[object, Pairing] = {}
    validation, gallery_nD = judge.evidence.validation, judge.evidence.gallery_nD
    for run in runs:
        embedder, card = load_run(run)
        require_same_space(card.space, space, str(run), "the supernet")
        if card.backbone != SEARCHED:
            raise ConfigError(f"{run}: is {card.backbone}, no architecture of a search; train it with --arch")
        arch = decode(card.backbone_options["genes"])
        judge.supernet.space.validate(arch)
        if arch in found:
            raise ConfigError(f"{run}: has the architecture of {found[arch].name}; a ranking needs each once")
        alone = validation.metrics(validation.vectors(embedder, arch.img_size), gallery_nD, "q,g")["val/q,g/map"]
        found[arch] = Pairing(run.name, judge.full(arch)["R2"], alone)
    return list(found.values())
