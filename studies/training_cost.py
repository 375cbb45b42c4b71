"""What training itself costs: cached views against a live teacher, and the loop against bare torch.

    python -m studies.training_cost DATA --teacher RUN

Prints two ratios of CPU time and writes runs/training-cost.json. A benchmark, not a test: the two sides
of a ratio take turns, and the smallest of their rounds count, so that a busy host hurts neither.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import nn

from hetvs.config import StudentConfig
from hetvs.encoders import open_encoder
from hetvs.files import write_json
from hetvs.manifest import read_manifest
from hetvs.settings import read_config
from hetvs.training.average import Average
from hetvs.training.images import ImageStore, images_of
from hetvs.training.loop import learning_rate_factor, prepare, train
from hetvs.training.run import to_device
from hetvs.training.start import build_model
from hetvs.training.student import prototypes_of, views_of
from hetvs.training.student_stage import StudentStage

ROUNDS = 3
IMAGES = 1_920  # of the train split: twenty steps of 96


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Run of the cloud model.")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="Recipe of the student.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("runs/training-cost.json"))
def main(data: Path, teacher: Path, config: Path, output: Path) -> None:
    """Measure both ratios with one student's recipe."""
    settings = replace(read_config(StudentConfig, config), epochs=1, threads=1, amp="off", extra="", views_folder="")
    with tempfile.TemporaryDirectory() as folder:
        cached = stage_of(data, teacher, Path(folder), settings)
        live = stage_of(data, teacher, Path(folder), replace(settings, views=0))
        epochs = alternate(lambda: bare(cached), lambda: bare(live))
        loops = alternate(lambda: ours(cached, Path(folder)), lambda: bare(cached))
    found = {
        "images": IMAGES,
        "cached_epoch_s": epochs[0],
        "live_epoch_s": epochs[1],
        "live_to_cached": epochs[1] / epochs[0],
        "loop_s": loops[0],
        "bare_s": loops[1],
        "loop_overhead": loops[0] / loops[1] - 1,
    }
    write_json(output, found)
    click.echo(f"an epoch with a live teacher takes {found['live_to_cached']:.1f} times that of cached views")
    click.echo(f"the loop takes {100 * found['loop_overhead']:+.1f} % of a bare torch loop's time")
    click.echo(f"figures: {output}")


def stage_of(data: Path, teacher: Path, folder: Path, settings: StudentConfig) -> StudentStage:
    """Return a student on the first images of the train split, its queue full."""
    prepare(settings)
    store = images_of(read_manifest(data), settings)
    store = ImageStore(store.manifest, store.rows[:IMAGES], store.source_px).preload()
    encoder = open_encoder(teacher, threads=1)
    model, _ = build_model(settings, encoder.card.dim)
    to_device(model, settings.device)
    views = views_of(folder, encoder, store, settings)
    stage = StudentStage(views, model, prototypes_of(teacher, views, settings.prototypes), settings, encoder)
    while not stage.pull.queue.full:
        keys = torch.nn.functional.normalize(torch.randn(IMAGES, encoder.card.dim), dim=1)
        stage.pull.queue.push(keys, torch.arange(IMAGES), stage.labels)
    return stage


def bare(stage: StudentStage) -> None:
    """Train an epoch as one would write it by hand: the same arithmetic, no record, no checkpoint, no resumption."""
    settings = stage.config
    optimiser = torch.optim.AdamW(stage.model.parameters(), lr=settings.lr, fused=True)
    average = Average(stage.model, settings.ema)
    order = np.random.default_rng(0).permutation(IMAGES)
    n_steps = IMAGES // settings.batch_size
    stage.model.train()
    for step in range(n_steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * learning_rate_factor(step, n_steps, settings.warmup)
        terms = stage.terms(order[step * settings.batch_size :][: settings.batch_size], 0)
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(stage.model.parameters(), settings.clip)
        optimiser.step()
        average.update(stage.model)


def ours(stage: StudentStage, folder: Path) -> None:
    """Train an epoch through the loop of `hetvs train-student`, its checkpoint at the end included."""
    train(stage, stage.config, folder, resume=False)


def alternate(first: Callable[[], None], second: Callable[[], None]) -> tuple[float, float]:
    """Return the least CPU seconds of each over the rounds, in turn; the first round of both warms up."""
    least = [float("inf"), float("inf")]
    for turn in range(1 + ROUNDS):
        for side, run in enumerate((first, second)):
            started = time.process_time()
            run()
            if turn:
                least[side] = min(least[side], time.process_time() - started)
    return least[0], least[1]


if __name__ == "__main__":
    main()
