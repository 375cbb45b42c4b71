"""train-update: a new model, with new data, classes or backbone, whose queries still ask the old gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.artifacts import ModelCard
from hetvs.config import UpdateConfig
from hetvs.contenders import enter
from hetvs.errors import ManifestError
from hetvs.losses import LOSSES
from hetvs.losses.focal import right_under_cloud
from hetvs.losses.lce import radii
from hetvs.losses.prototypes import class_means
from hetvs.manifest import Manifest
from hetvs.models.backbones import options_of
from hetvs.models.block import in_old_space
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import Prototypes, load_prototypes
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore, images_of
from hetvs.training.loop import CHECKPOINT, prepare, train
from hetvs.training.old_classes import old_prototypes
from hetvs.training.old_model import OldImages, OldModel
from hetvs.training.precision import choose_amp
from hetvs.training.pull import Pull
from hetvs.training.ridge import fit_projection
from hetvs.training.run import Outcome, close_run, open_run, own_space, to_device
from hetvs.training.start import build_model, warm_start, with_architecture
from hetvs.training.student_stage import class_numbers
from hetvs.training.teacher import Classifier, leading, numbered
from hetvs.training.teacher_views import Crops, LiveViews, StoredViews, TeacherViews
from hetvs.training.update_stage import UpdateStage

OWN_NAME = "own"  # folder, in the run, of a new model with another dimension than the old one


def train_update(
    manifest: Manifest, old_path: Path, output: Path, config: UpdateConfig, *, resume: bool = False
) -> ModelCard:
    """Train a new model on the train split of `manifest`, compatible with the old one; write the run to `output`.

    The run is in the old space and carries its id. Where the dimension differs it holds the old block, and
    `output`/own the model with its full vector, a space with an id of its own. With strength 0 nothing ties
    the model, and it is in a space of its own alone. The old model (a run, a bundle or a folder of vectors)
    is never written to. Raises ManifestError when there is nothing to learn from, ConfigError and
    ArtifactError when the method needs more of the old model than is there.
    """
    config = with_architecture(config)
    prepare(config)
    store = images_of(manifest, config)
    classes, targets = numbered(manifest.labels[manifest.rows("train", config.rows)].tolist(), len(store))
    if len(classes) < 2:
        raise ManifestError(f"{manifest.source}: {len(classes)} train classes; an update needs at least 2")
    entrant = enter(old_path, old_path.resolve().name)
    config = warm_start(config, entrant)
    dim = config.dim or entrant.seat[1].dim
    embedder, backbone = build_model(config, dim)
    head = PrototypeHead(len(classes), dim, scale=config.scale, margin=config.margin)
    model = to_device(Classifier(embedder, head, leading(backbone, config)), config.device)
    config = open_run(output, config, lambda: choose_amp(embedder, config.img_size, config.batch_size, config.device))
    old = OldModel.open(entrant, config.threads)  # not before: building it draws from the generator of our weights
    lent = load_prototypes(Path(config.start)) if config.start else None
    if lent is not None and lent.rows_CD.shape[1] == dim:
        head.start_at(lent.rows_CD, lent.labels, classes)
    stage = update_stage(store.preload(), targets, model, config, old)
    if config.warm and not config.start and not (resume and (output / CHECKPOINT).is_file()):
        begin_in_old_space(stage, model, classes)
    average = train(stage, config, output, resume=resume)
    assert isinstance(average, Classifier)
    trained = average.embedder
    outcome = Outcome(
        embedder=trained,
        backbone_options=options_of(config.backbone, asdict(config)),
        preprocess=backbone.preprocess,
        space=old.space if config.tied else own_space(trained, backbone.preprocess),
        validation=stage.validate(average),
        facts=_facts(manifest, store, len(classes), old, config),
    )
    prototypes: Prototypes | None = Prototypes(average.head.prototypes(), tuple(classes), config.scale)
    if config.tied and dim != old.space.dim:
        own = replace(outcome, space=own_space(trained, backbone.preprocess))
        close_run(output / OWN_NAME, "update", config, own, prototypes)
        outcome, prototypes = replace(outcome, embedder=in_old_space(trained, old.space.dim)), None
    return close_run(output, "update", config, outcome, prototypes)


def begin_in_old_space(stage: UpdateStage, model: Classifier, classes: Sequence[str]) -> None:
    """Start a model of another backbone near the old vectors that it is to follow; nothing where it follows none.

    The projection is fitted to them in closed form, and the head's rows are their class means.
    """
    follows = any(LOSSES[name].teacher != "prototypes" for name in stage.pull.weights)
    if not follows or model.embedder.projection.out_features != stage.dim:
        return
    labels, numbers = stage.old.classes
    means_CD = class_means(stage.old.vectors[stage.old.known], numbers)
    model.head.start_at(means_CD, labels, classes)
    fit_projection(model.embedder, stage.views, device=stage.config.device, training=True)


def update_stage(
    store: ImageStore, targets: Tensor, model: Classifier, config: UpdateConfig, old: OldModel
) -> UpdateStage:
    """Return the stage of a method; the old model is asked for no more than its terms need."""
    images = OldImages(old, store)
    weights = config.active_terms()
    prototypes = old_prototypes(images, config)
    views = views_of(images, config)
    pull = Pull(weights, config, prototypes, class_numbers(images.labels, prototypes.labels), _right(images, config))
    if "lce" in weights:
        pull.radius_C = radii(images.vectors[images.known], prototypes.rows_CD, images.classes[1]).to(config.device)
    return UpdateStage(store, targets, model, config, views=views, old=images, pull=pull)


def views_of(images: OldImages, config: UpdateConfig) -> TeacherViews:
    """Return fresh views in every epoch: with a live old model, or where no term asks it, with what is stored.

    Without an old vector to follow the views are those of `train-teacher`, so that strength 0 is that training.
    """
    weights = config.active_terms()
    crops = Crops(images.store, Augment(erase=config.erase), config.seed)
    followed = any(LOSSES[name].teacher != "prototypes" for name in weights)
    if followed and images.old.encoder is not None:
        return LiveViews(crops, images.old.encoder, config.img_size, mixup=False)
    if followed:
        images.require_vectors(weights)
        return StoredViews(crops, images.vectors, config.img_size, config.img_size)
    nothing = torch.full((1, images.old.space.dim), torch.nan)  # whoever reads it gets a loss that is not finite
    return StoredViews(crops, nothing.expand(len(images.labels), -1), config.img_size, config.img_size)


def _right(images: OldImages, config: UpdateConfig) -> np.ndarray | None:
    """Return which images the old model retrieves right; None without a focal weight."""
    if not config.focal:
        return None
    manifest, rows = images.store.manifest, images.store.rows[images.known]
    right_n = np.zeros(len(images.labels), dtype=bool)
    vectors_nD = images.vectors[images.known].numpy()
    right_n[images.known] = right_under_cloud(vectors_nD, manifest.ids[rows], manifest.labels[rows])
    return right_n


def _facts(
    manifest: Manifest, store: ImageStore, n_classes: int, old: OldModel, config: UpdateConfig
) -> dict[str, object]:
    """Return what the card says of the training beside its settings."""
    return {
        "data": str(manifest.source),
        "images": len(store),
        "classes": n_classes,
        "old": old.entrant.name,
        "old_weights": old.entrant.digest,
        "method": config.method,
        "start": config.start,
        "unseen": config.unseen,
        "terms": config.active_terms(),
        "focal": config.focal,
    }
