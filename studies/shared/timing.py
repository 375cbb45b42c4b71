"""Stages whose training is timed, and runs that take turns, so that a busy host hurts none of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from hetvs.config import StudentConfig
from hetvs.encoders import open_encoder
from hetvs.manifest import read_manifest
from hetvs.training.images import ImageStore, images_of
from hetvs.training.loop import prepare
from hetvs.training.run import to_device
from hetvs.training.start import build_model
from hetvs.training.student import prototypes_of, views_of
from hetvs.training.student_stage import StudentStage


def stage_of(data: Path, teacher: Path, folder: Path, settings: StudentConfig, most: int) -> StudentStage:
    """Return a student on the first `most` images of the train split, its queue full; views are kept in `folder`."""
    prepare(settings)
    store = images_of(read_manifest(data), settings)
    store = ImageStore(store.manifest, store.rows[:most], store.source_px).preload()
    encoder = open_encoder(teacher, threads=1)
    model, _ = build_model(settings, encoder.card.dim)
    to_device(model, settings.device)
    views = views_of(folder, encoder, store, settings)
    stage = StudentStage(views, model, prototypes_of(teacher, views, settings.prototypes), settings, encoder)
    while not stage.pull.queue.full:
        keys = torch.nn.functional.normalize(torch.randn(len(store), encoder.card.dim), dim=1)
        stage.pull.queue.push(keys, torch.arange(len(store)), stage.labels)
    return stage


def alternate(runs: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Return the CPU seconds of each run in every round, in turn; a first round warms all up and is not counted.

    >>> [len(seconds) for seconds in alternate([lambda: None, lambda: None], 3)]
    [3, 3]
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(1 + rounds):
        for run, mine in zip(runs, seconds, strict=True):
            started = time.process_time()
            run()
            if turn:
                mine.append(time.process_time() - started)
    return seconds
