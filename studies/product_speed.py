"""The command that times a training by our default loss beside the losses of other libraries; writes speed.json.

One process; epochs of the same images take turns through the loop of `hetvs train-student`. CPU time counts: images
per CPU second at the median round, and of every round the ratio of ours to a rival's, its median with a 95 % interval.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import click

from edge_bench.guard import median_interval
from hetvs.cli.options import output_option, overwrite_option
from hetvs.config import StudentConfig
from hetvs.files import new_folder, write_json
from hetvs.settings import read_config
from hetvs.training.loop import train
from studies.product.losses import RIVALS, RivalConfig, register_rivals
from studies.product.plan import SPEED
from studies.shared.methods import DEFAULT
from studies.shared.timing import alternate, stage_of

ROUNDS = 10
IMAGES = 1_920  # of the train split: twenty steps of 96


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Run of the cloud model.")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="Recipe of the student.")
@output_option
@overwrite_option
def main(data: Path, teacher: Path, config: Path, output: Path, overwrite: bool) -> None:
    """Train rounds of an epoch by each loss on DATA."""
    register_rivals()
    recipe = read_config(StudentConfig, config)
    ours = replace(recipe, epochs=1, threads=1, amp="off", extra="", views_folder="")
    settings = {DEFAULT: ours} | {loss: RivalConfig(**{**asdict(ours), "loss": loss}) for loss in RIVALS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stages = {loss: stage_of(data, teacher, folder, one, IMAGES) for loss, one in settings.items()}
        runs = [partial(train, stage, settings[loss], folder, resume=False) for loss, stage in stages.items()]
        seconds = dict(zip(stages, alternate(runs, ROUNDS), strict=True))
    batch, images = ours.batch_size, stages[DEFAULT].images
    seen = images // batch * batch if images > batch else images
    found = {}
    for loss, mine in seconds.items():
        ratios = [a / b for a, b in zip(seconds[DEFAULT], mine, strict=True)]
        found[loss] = {"images_per_cpu_s": seen / statistics.median(mine), "cpu_ratio": list(median_interval(ratios))}
    with new_folder(output, overwrite=overwrite) as temporary:
        write_json(temporary / SPEED.whole, found)


if __name__ == "__main__":
    main()
