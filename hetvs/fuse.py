"""Finished runs of one space -> one gallery model, without training."""

from __future__ import annotations

from pathlib import Path

import torch

from hetvs.artifacts import ModelCard, require_same_space
from hetvs.config import FuseConfig
from hetvs.errors import ConfigError
from hetvs.models.backbones import build_backbone
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.embedder import Embedder
from hetvs.models.fused import FUSED, member_options
from hetvs.models.storage import load_prototypes, load_run, save_run, weights_digest


def fuse(output: Path, config: FuseConfig) -> ModelCard:
    """Write the run whose vector is norm(sum of weight * vector) over the members, in the space of all of them.

    Its input is that of the member that sees most, its prototypes are those of the first member.
    Raises ConfigError without members, IncompatibleSpaceError when their spaces differ.
    """
    if not config.runs:
        raise ConfigError("nothing to fuse; set members = RUN,RUN")
    runs = [Path(path) for path in config.runs]
    loaded = [load_run(run) for run in runs]
    cards = [card for _, card in loaded]
    first = cards[0]
    for run, card in zip(runs[1:], cards[1:], strict=True):
        require_same_space(card.space, first.space, str(run), str(runs[0]))
    options = {"members": [member_options(card) for card in cards], "weights": list(config.shares)}
    size_px = max(card.preprocess.size_px for card in cards)
    backbone = build_backbone(FUSED, options, size_px)
    model = Embedder(backbone.trunk, backbone.features, first.dim, backbone.preprocess)
    with torch.no_grad():  # the sum is already of the space: only its length is left to do
        model.projection.weight.copy_(torch.eye(first.dim))
        model.projection.bias.zero_()
    for member, (trained, _) in zip(model.trunk.get_submodule("members").children(), loaded, strict=True):
        member.load_state_dict(trained.state_dict())
    model.eval()
    card = ModelCard(
        name=output.name,
        role="teacher",
        backbone=FUSED,
        backbone_options=options,
        space=first.space,
        preprocess=backbone.preprocess,
        weights_digest=weights_digest(model),
        macs=macs_of(model, size_px),
        parameters=parameters_of(model),
        training={"members": {str(run): card.weights_digest for run, card in zip(runs, cards, strict=True)}},
    )
    save_run(output, model, card, load_prototypes(runs[0]))
    return card
