"""`hetvs train-teacher`, `train-student`, `train-classifier` and `train-update`."""

from __future__ import annotations

from pathlib import Path

import click

from hetvs.cli.options import output_option, overwrite_option, resume_option, settings
from hetvs.config import ClassifierConfig, StudentConfig, TeacherConfig, UpdateConfig

data_argument = click.argument("data", type=click.Path(path_type=Path))


@click.command("train-teacher")
@data_argument
@output_option
@resume_option
@overwrite_option
@settings(TeacherConfig)
def train_teacher(data: Path, output: Path, resume: bool, overwrite: bool, config: TeacherConfig) -> None:
    """Train a model on the labels of DATA: the cloud model, or with a small backbone the baseline."""
    from hetvs.files import claim_output
    from hetvs.manifest import read_manifest
    from hetvs.training import teacher

    manifest = read_manifest(data)
    card = teacher.train_teacher(
        manifest, claim_output(output, overwrite=overwrite, resume=resume), config, resume=resume
    )
    _say(card.to_json(), output)
    click.echo(f"next: hetvs train-student {data} --teacher {output} -o runs/edge")


@click.command("train-student")
@data_argument
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    required=True,
    help="Run, bundle, foreign .onnx, torchvision/NAME or vectors whose space the student joins.",
)
@output_option
@resume_option
@overwrite_option
@settings(StudentConfig)
def train_student(
    data: Path, teacher: Path, output: Path, resume: bool, overwrite: bool, config: StudentConfig
) -> None:
    """Train a small model on DATA into the space of a teacher; labels are optional."""
    from hetvs.files import claim_output
    from hetvs.manifest import read_manifest
    from hetvs.training import processes, student
    from hetvs.training.run import is_begun

    manifest = read_manifest(data)
    with processes.joined(config.device):
        resume = resume or (processes.is_restart() and is_begun(output))
        with processes.first_then_others():
            if processes.is_first():
                claim_output(output, overwrite=overwrite, resume=resume)
        weights = ", ".join(f"{name} {weight:g}" for name, weight in config.active_terms().items())
        click.echo(f"terms: {weights}" + (f"; focal beta {config.focal:g}" if config.focal else ""), err=True)
        card = student.train_student(manifest, teacher, output, config, resume=resume)
        if processes.is_first():
            _say(card.to_json(), output)
            click.echo(f"next: hetvs export {output} -o bundles/{output.name}")


@click.command("train-classifier")
@data_argument
@output_option
@resume_option
@overwrite_option
@settings(ClassifierConfig)
def train_classifier(data: Path, output: Path, resume: bool, overwrite: bool, config: ClassifierConfig) -> None:
    """Train a classifier on the classes of DATA; with --old, one that keeps the old one's right answers right."""
    from hetvs.files import claim_output
    from hetvs.manifest import read_manifest
    from hetvs.training import classifier

    manifest = read_manifest(data)
    folder = claim_output(output, overwrite=overwrite, resume=resume)
    card = classifier.train_classifier(manifest, folder, config, resume=resume)
    _say(card.to_json(), output)
    after = (
        f"compare {data} --old {config.old} --new {output}" if config.old else f"train-classifier {data} --old {output}"
    )
    click.echo(f"next: hetvs {after} -o {'comparison' if config.old else 'runs/v2'}")


@click.command("train-update")
@data_argument
@click.option(
    "--old", type=click.Path(path_type=Path), required=True, help="Run, bundle or vectors of the model to replace."
)
@output_option
@resume_option
@overwrite_option
@settings(UpdateConfig)
def train_update(data: Path, old: Path, output: Path, resume: bool, overwrite: bool, config: UpdateConfig) -> None:
    """Train a new model on DATA whose queries still find what the old model has indexed."""
    from hetvs.files import claim_output
    from hetvs.manifest import read_manifest
    from hetvs.training import update

    manifest = read_manifest(data)
    claim_output(output, overwrite=overwrite, resume=resume)
    weights = "".join(f", {name} {weight:g}" for name, weight in config.active_terms().items())
    click.echo(f"method {config.method}: own head 1{weights}", err=True)
    card = update.train_update(manifest, old, output, config, resume=resume)
    _say(card.to_json(), output)
    if (output / update.OWN_NAME).is_dir():
        click.echo(f"{output / update.OWN_NAME}: the full vector, in a space of its own")
    click.echo(f"next: hetvs evaluate {data} --old {old} --query-model {output} -o report")


def _say(card: dict[str, object], output: Path) -> None:
    """Print what was made: space, cost, and what the val split said."""
    space = card["space"]
    assert isinstance(space, dict)
    validation = card["validation"]
    assert isinstance(validation, dict)
    scores = "  ".join(f"{name} {value:.3f}" for name, value in validation.items())
    click.echo(f"{output}: space {space['space_id']}, {card['macs']:,} MACs, {card['parameters']:,} parameters")
    click.echo(scores or "no val split to read")
