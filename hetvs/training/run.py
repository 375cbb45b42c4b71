"""The beginning and the end of a run folder: resolved settings first, the card last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
import torch
from torch import nn

from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.config import LoopConfig, TrainConfig
from hetvs.errors import ConfigError
from hetvs.files import write_text
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import Prototypes, save_run, weights_digest
from hetvs.preprocess import Preprocess
from hetvs.settings import read_toml

CONFIG_NAME = "config.toml"
MAY_CHANGE = ("amp", "threads", "validate_every", "checkpoint_every")  # between a run and its resumption
R = TypeVar("R", bound=LoopConfig)
M = TypeVar("M", bound=nn.Module)


def open_run(folder: Path, config: R, choose_amp: Callable[[], str]) -> R:
    """Return `config` with `amp` resolved, written to config.toml; a resumed run keeps what is there.

    A setting that came to hetvs after the run had been started is the default there. Raises ConfigError when a
    resumed run is asked for other settings than it was started with.
    """
    path = folder / CONFIG_NAME
    if path.is_file():
        started = {f.name: f.default for f in fields(config)} | read_toml(path)
        for name, given in asdict(config).items():
            value = list(given) if isinstance(given, tuple) else given  # TOML has no tuples
            if name not in MAY_CHANGE and started[name] != value:
                raise ConfigError(
                    f"{path}: the run was started with {name} = {started[name]!r}, not {value!r}; "
                    "resume it with the same settings, or start again with --overwrite"
                )
        return replace(config, amp=str(started["amp"]))
    resolved = replace(config, amp=choose_amp()) if config.amp == "auto" else config
    write_text(path, tomli_w.dumps(asdict(resolved)))
    return resolved


def is_begun(folder: Path) -> bool:
    """Whether `folder` holds a run, finished or not."""
    return (folder / CONFIG_NAME).is_file()


def to_device(model: M, device: str) -> M:
    """Move a model, channels last: the layout in which CPU convolutions are fastest."""
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a stage has in the end, besides its settings."""

    embedder: Embedder
    backbone_options: dict[str, Any]
    preprocess: Preprocess
    space: SpaceCard
    validation: dict[str, float]
    facts: dict[str, Any]


def own_space(embedder: Embedder, preprocess: Preprocess) -> SpaceCard:
    """Return the card of the space that a trained model gives birth to: its own."""
    return SpaceCard(
        teacher_digest=weights_digest(embedder),
        preprocess_digest=preprocess.digest(),
        dim=embedder.projection.out_features,
    )


def close_run(
    folder: Path, role: str, config: TrainConfig, outcome: Outcome, prototypes: Prototypes | None
) -> ModelCard:
    """Write weights, prototypes and card; return the card."""
    embedder = outcome.embedder.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    card = ModelCard(
        name=folder.name,
        role=role,
        backbone=config.backbone,
        backbone_options=outcome.backbone_options,
        space=outcome.space,
        preprocess=outcome.preprocess,
        weights_digest=weights_digest(embedder),
        macs=macs_of(embedder, config.img_size),
        parameters=parameters_of(embedder),
        validation=outcome.validation,
        training={
            "seed": config.seed,
            "epochs": config.epochs,
            "rows": config.rows,
            "amp": config.amp,
            **outcome.facts,
        },
    )
    save_run(folder, embedder, card, prototypes)
    return card
