"""train-supernet: shared weights for every architecture of a space, in the space of a teacher."""

from __future__ import annotations

from pathlib import Path

from hetvs.artifacts import ModelCard
from hetvs.config import SupernetConfig
from hetvs.encoders import Encoder, open_encoder
from hetvs.errors import ManifestError
from hetvs.manifest import Manifest
from hetvs.models.backbones import SUPERNET
from hetvs.models.cost import parameters_of
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import save_run, weights_digest
from hetvs.nas.judge import gather
from hetvs.nas.lite import LITE, load_imagenet
from hetvs.nas.network import preprocess_of
from hetvs.nas.operators import macs_of
from hetvs.nas.space import space_of
from hetvs.nas.supernet import Supernet
from hetvs.training.images import images_of
from hetvs.training.loop import CHECKPOINT, prepare, train
from hetvs.training.precision import choose_amp
from hetvs.training.ridge import fit_projection
from hetvs.training.run import open_run, to_device
from hetvs.training.student import prototypes_of, views_of
from hetvs.training.supernet_stage import Shared, stage_of


def train_supernet(
    manifest: Manifest, teacher_path: Path, output: Path, config: SupernetConfig, *, resume: bool = False
) -> ModelCard:
    """Train a supernet into the space of the run or bundle at `teacher_path`; write the run to `output`.

    The run is read by `hetvs.nas.storage.load_supernet`, not by `load_run`: it holds many models. Raises
    ManifestError when there is no val image to judge on, or no label where the mode needs one.
    """
    prepare(config)
    store = images_of(manifest, config)
    labels = {str(label) for label in store.manifest.labels[store.rows]} - {""}
    if config.mode == "faithful" and not labels:
        raise ManifestError(f"{manifest.source}: no train image has a label, which faithful learns from; use anchored")
    teacher = open_encoder(teacher_path, threads=config.threads)
    evidence = gather(manifest, config.rows, config.sizes, teacher)
    supernet = Supernet(space_of(config.space, config.sizes), teacher.card.dim, affine=config.mode == "anchored")
    begins = config.pretrained and config.space == LITE
    if begins:
        load_imagenet(supernet.embedder.trunk)
    largest = to_device(supernet.subnet(supernet.space.largest()), config.device)
    config = open_run(output, config, lambda: choose_amp(largest, config.img_size, config.batch_size, config.device))
    views = views_of(output, teacher, store, config)
    if begins and not (resume and (output / CHECKPOINT).is_file()):  # its features mean something already
        fit_projection(largest, views, device=config.device, training=True)
        supernet.embedder.projection.load_state_dict(largest.projection.state_dict())
    prototypes = prototypes_of(teacher_path, views, config.prototypes)
    head = None
    if config.mode == "faithful":
        head = PrototypeHead(len(labels | set(prototypes.labels)), supernet.dim, scale=config.scale, margin=0.0)
    model = to_device(Shared(supernet, head), config.device)
    stage = stage_of(views, model, prototypes, config, evidence)
    trained = train(stage, config, output, resume=resume)
    assert isinstance(trained, Shared)
    facts = {"data": str(manifest.source), "images": len(store)}
    card = card_of(output.name, trained.supernet, teacher, config, facts, stage.validate(trained))
    save_run(output, trained.supernet.embedder.to("cpu"), card)
    return card


def card_of(
    name: str,
    supernet: Supernet,
    teacher: Encoder,
    config: SupernetConfig,
    facts: dict[str, object],
    validation: dict[str, float],
) -> ModelCard:
    """Return the card of a supernet: the MACs are those of its largest architecture, the parameters all of them."""
    options = {"space": config.space, "sizes": list(config.sizes), "affine": supernet.affine}
    settings = {"mode": config.mode, "seed": config.seed, "epochs": config.epochs, "rows": config.rows}
    return ModelCard(
        name=name,
        role="supernet",
        backbone=SUPERNET,
        backbone_options=options,
        space=teacher.card.space,
        preprocess=preprocess_of(config.space, config.img_size),
        weights_digest=weights_digest(supernet.embedder),
        macs=macs_of(supernet.space.largest(), supernet.dim),
        parameters=parameters_of(supernet),
        validation=validation,
        training={**settings, **facts, "amp": config.amp, "teacher": teacher.card.name},
    )
