"""What training itself costs: cached views against a live teacher, and the loop against bare torch.

    python -m studies.training_cost DATA --teacher RUN

Prints two ratios of CPU time and writes runs/training-cost.json. A benchmark, not a test: the two sides
of a ratio take turns, and the smallest of their rounds count, so that a busy host hurts neither.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import nn

from hetvs.config import StudentConfig
from hetvs.files import write_json
from hetvs.settings import read_config
from hetvs.training.average import Average
from hetvs.training.loop import learning_rate_factor, train
from hetvs.training.student_stage import StudentStage
from studies.shared.timing import alternate, stage_of

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
        cached = stage_of(data, teacher, Path(folder), settings, IMAGES)
        live = stage_of(data, teacher, Path(folder), replace(settings, views=0), IMAGES)
        epochs = [min(seconds) for seconds in alternate([lambda: bare(cached), lambda: bare(live)], ROUNDS)]
        loops = [min(s) for s in alternate([lambda: ours(cached, Path(folder)), lambda: bare(cached)], ROUNDS)]
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


if __name__ == "__main__":
    main()
