"""A student is trained on for the end of its schedule, in another form: with the roundings of an int8 file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from hetvs.artifacts import ModelCard, require_same_space
from hetvs.config import StudentConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.settings import read_config
from hetvs.training.given import open_given, space_of
from hetvs.training.images import images_of
from hetvs.training.loop import prepare, train
from hetvs.training.run import CONFIG_NAME, to_device
from hetvs.training.student import prototypes_of, require_trainable, views_of
from hetvs.training.student_stage import StudentStage


def end_of_schedule(config: StudentConfig, *, share: float, lr_share: float, threads: int) -> StudentConfig:
    """Return the settings of the last `share` of a run (at least one epoch), at `lr_share` of its learning rate.

    In float32 on the CPU, because bfloat16 would round between the levels.

    >>> last = end_of_schedule(StudentConfig(epochs=38, ridge="both"), share=0.1, lr_share=0.1, threads=1)
    >>> last.epochs, round(last.lr, 6), last.ridge
    (4, 0.0002, 'off')
    """
    return replace(
        config,
        epochs=max(1, round(config.epochs * share)),
        lr=config.lr * lr_share,
        ridge="off",
        amp="off",
        device="cpu",
        threads=threads,
    )


def settings_of(run: Path) -> StudentConfig:
    """Return the settings a student's run was trained with; ConfigError for a run of another role."""
    card = ModelCard.load(run)
    if card.role != "student":
        raise ConfigError(
            f"{run}: is a {card.role}, only a student can be trained on here; give a run of train-student"
        )
    return read_config(StudentConfig, run / CONFIG_NAME)


def train_on(
    model: nn.Module, run: Path, teacher_path: Path, manifest: Manifest, folder: Path, config: StudentConfig
) -> nn.Module:
    """Train `model`, pixels (B, 3, S, S) -> unit vectors (B, D), by the terms and the views of the student `run`.

    Checkpoints and metrics go to `folder`, cached views stay with the run. Returns the averaged model.
    Raises IncompatibleSpaceError when the teacher is of another space than the run.
    """
    require_trainable(config, control=False)
    prepare(config)
    teacher = open_given(teacher_path, threads=config.threads)
    require_same_space(ModelCard.load(run).space, space_of(teacher), str(run), str(teacher_path))
    store = images_of(manifest, config)
    views = views_of(run, teacher, store, config)
    stage = StudentStage(
        views,
        to_device(model, config.device),
        prototypes_of(teacher_path, views, config.prototypes),
        config,
        teacher,
    )
    return train(stage, config, folder, resume=False)
