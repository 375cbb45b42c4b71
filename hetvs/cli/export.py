"""`hetvs export`: a finished run becomes the folder that goes to the device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hetvs.cli.options import output_option, overwrite_option, settings
from hetvs.config import ExportConfig
from hetvs.errors import ConfigError

if TYPE_CHECKING:
    from export.to_int8 import TrainOn
    from hetvs.artifacts import EdgeBundle
    from hetvs.manifest import Manifest


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@output_option
@click.option("--data", type=click.Path(path_type=Path), help="Manifest of real images  [default: the run's own]")
@click.option("--gallery", type=click.Path(path_type=Path), help="int8: run, bundle or vectors of the gallery's model.")
@click.option(
    "--teacher", type=click.Path(path_type=Path), help="qat: RUN's teacher, a run or bundle  [default: --gallery]"
)
@overwrite_option
@settings(ExportConfig)
def export(
    run: Path,
    output: Path,
    data: Path | None,
    gallery: Path | None,
    teacher: Path | None,
    overwrite: bool,
    config: ExportConfig,
) -> None:
    """Write the ONNX bundle of RUN, proved equal to PyTorch on real images.

    With --dim, the graph gives a prefix of the vector, of unit length. With --int8, RUN may be its fp32 bundle, and
    retrieval with the int8 file is the proof. With --qat, a student is trained on with the roundings of int8 when
    that proof fails.
    """
    from hetvs.artifacts import ModelCard
    from hetvs.files import refuse_non_empty

    _require_fitting(run, gallery, teacher, config)
    if not overwrite:
        refuse_non_empty(output)
    data = data or _recorded_data(ModelCard.load(run).training)

    from hetvs.manifest import read_manifest

    manifest = read_manifest(data)
    if gallery is None:
        bundle = _export_float(run, manifest, output, overwrite, config)
        click.echo(f"parity: no component differs from PyTorch by more than {bundle.parity_max_abs:.1e} on real images")
    else:
        train_on = _retraining(run, teacher or gallery, manifest, config) if config.qat else None
        bundle = _export_int8(run, gallery, manifest, output, overwrite, config, train_on)
    size = bundle.model_path.stat().st_size
    click.echo(f"{bundle.model_path}: {size:,} bytes, opset {bundle.opset}, space {bundle.card.space.space_id}")
    click.echo(f"next: hetvs check {output}")


def _require_fitting(run: Path, gallery: Path | None, teacher: Path | None, config: ExportConfig) -> None:
    """Raise ConfigError when what is asked for does not go together."""
    from hetvs.artifacts import is_bundle

    if config.int8 != (gallery is not None):
        raise ConfigError("export: --int8 and --gallery belong together: int8 is judged by what it finds in a gallery")
    if teacher is not None and not config.qat:
        raise ConfigError("export: --teacher is for --qat alone; add --qat, or leave it out")
    if is_bundle(run) and not config.int8:
        raise ConfigError(f"{run}: is a bundle already; add --int8 and --gallery, or give a run")
    if is_bundle(run) and config.dim:
        raise ConfigError(f"{run}: is a bundle, whose graph is closed; give its run to export a prefix")


def _export_float(run: Path, manifest: Manifest, output: Path, overwrite: bool, config: ExportConfig) -> EdgeBundle:
    """Write the fp32 bundle of a run."""
    from export.bundle import export_bundle

    click.echo(f"exporting {run}: tracing takes 5-30 s", err=True)
    return export_bundle(run, manifest, output, config, overwrite=overwrite)


def _retraining(run: Path, teacher: Path, manifest: Manifest, config: ExportConfig) -> TrainOn:
    """Return what trains a student on; ConfigError, before any work, where no student or no teacher is."""
    from export.qat import Retraining
    from hetvs.artifacts import CARD_NAME, is_bundle
    from hetvs.training.train_on import settings_of

    if is_bundle(run):
        raise ConfigError(f"{run}: is a bundle, which cannot be trained on; give its run")
    settings_of(run)
    if not (teacher / CARD_NAME).is_file():
        raise ConfigError(
            f"{teacher}: holds no model to learn from; add --teacher with the run or bundle of RUN's teacher"
        )
    return Retraining(run, teacher, manifest, config)


def _export_int8(
    run: Path,
    gallery: Path,
    manifest: Manifest,
    output: Path,
    overwrite: bool,
    config: ExportConfig,
    train_on: TrainOn | None,
) -> EdgeBundle:
    """Write the int8 bundle of a run, or of its fp32 bundle, and say what it loses."""
    import tempfile

    from export.gate import points
    from export.to_int8 import int8_bundle
    from hetvs.artifacts import EdgeBundle, is_bundle

    with tempfile.TemporaryDirectory() as temporary:
        if is_bundle(run):
            source = EdgeBundle.load(run)
        else:
            source = _export_float(run, manifest, Path(temporary) / run.resolve().name, False, config)
        bundle, loss = int8_bundle(source, gallery, manifest, output, config, overwrite=overwrite, train_on=train_on)
        share = bundle.model_path.stat().st_size / source.model_path.stat().st_size
    if trained := bundle.quantisation.get("qat"):
        click.echo(f"qat: {trained['refused']} did not pass and was trained on for {trained['epochs']} epochs")
    click.echo(f"int8: {bundle.quantisation['candidate']}, {share:.2f} of the bytes of fp32, chosen on val")
    click.echo(
        f"loss on {loss.split}, {loss.queries} queries, points [95 %]: mAP M(q,g) {points(loss.map)}, "
        f"recall@1 {points(loss.recall_1)}; NFR@1 {points(loss.nfr)}"
    )
    click.echo(f"cosine to the fp32 vectors: mean {loss.cosine_mean:.4f}, least {loss.cosine_min:.4f}")
    return bundle


def _recorded_data(training: dict[str, Any]) -> Path:
    """Return the manifest that the run was trained on; ConfigError when it is not recorded or has moved."""
    recorded = training.get("data")
    if not isinstance(recorded, str):
        raise ConfigError("export: the run does not record its data; add --data with a manifest of real images")
    if not Path(recorded).exists():
        raise ConfigError(f"export: the run's data {recorded} is not here; add --data with a manifest of real images")
    return Path(recorded)
