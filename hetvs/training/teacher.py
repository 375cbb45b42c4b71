"""train-teacher: a model learns its classes from labels and gives birth to a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hetvs.artifacts import ModelCard
from hetvs.config import LabelConfig, TeacherConfig
from hetvs.errors import ConfigError, ManifestError
from hetvs.manifest import Manifest
from hetvs.models.backbones import Backbone, options_of
from hetvs.models.embedder import Embedder
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import Prototypes, load_prototypes
from hetvs.training.augment import Augment, draws
from hetvs.training.companion import Companions
from hetvs.training.frozen import cached_features
from hetvs.training.images import ImageStore, images_of
from hetvs.training.loop import Stage, prepare, train
from hetvs.training.precision import autocast, choose_amp
from hetvs.training.run import Outcome, close_run, open_run, own_space, to_device
from hetvs.training.settle import settle
from hetvs.training.start import build_model, with_architecture
from hetvs.training.teacher_views import Crops
from hetvs.training.validation import Validation


class Classifier(nn.Module):
    """An embedder and the head that trains it; only the embedder and the prototypes ship."""

    def __init__(self, embedder: Embedder, head: PrototypeHead, frozen: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.embedder, self.head = embedder, head
        self.frozen = [module for part in frozen for module in part.requires_grad_(False).modules()]

    def train(self, mode: bool = True) -> Classifier:
        """Set the mode; frozen parts stay in eval mode, so that their statistics stay too."""
        super().train(mode)
        for module in self.frozen:
            module.training = False
        return self


class LabelStage(Stage):
    """What all ways of learning from labels share: images, their labels, the val split (abstract)."""

    model: Classifier

    def __init__(self, store: ImageStore, labels: Tensor, model: Classifier, config: LabelConfig) -> None:
        self.store, self.labels = store, labels
        self.model, self.images = model, len(store)
        self.augment = Augment(erase=config.erase)
        self.validation, self.size_px = Validation(store.manifest, config.rows), config.img_size

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return homogeneous recall@1 and map on the val split."""
        vectors = self.validation.vectors(model.get_submodule("embedder"), self.size_px)
        return self.validation.metrics(vectors, vectors, "g,g")

    def _margin_softmax(self, vectors_BD: Tensor, images_B: np.ndarray) -> Tensor:
        """Return the mean over the batch; an image without a label (-1) counts 0."""
        labels_B = self.labels[images_B]
        known = (labels_B >= 0).nonzero().flatten()
        if not len(known):
            return 0 * vectors_BD.sum()
        loss: Tensor = self.model.head(vectors_BD[known], labels_B[known].to(vectors_BD.device))
        return loss * (len(known) / len(labels_B))


class TeacherStage(LabelStage):
    """Margin softmax on a fresh view of each image in each epoch, near companions if there are any.

    Images without a label have the companions alone to learn from.
    """

    title = "teacher"

    def __init__(
        self, store: ImageStore, labels: Tensor, model: Classifier, config: TeacherConfig, companions: Companions | None
    ) -> None:
        super().__init__(store, labels, model, config)
        self.config, self.companions = config, companions

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the cross-entropy of the batch under the margin, and the weighted distance to the companions."""
        config = self.config
        random = draws(config.seed, images_B, np.full(len(images_B), epoch))
        pixels = self.augment.render(self.store.rgba(images_B), random, config.img_size)
        with autocast(config.device, config.amp):
            vectors_BD = self.model.embedder(pixels.to(config.device))
        terms = {"margin_softmax": self._margin_softmax(vectors_BD, images_B)}
        if self.companions is not None:
            terms["companion"] = config.companion_weight * self.companions.distance(vectors_BD, pixels)
        return terms


class FrozenStage(LabelStage):
    """Margin softmax on cached features: the trunk runs once per view, projection and head learn."""

    title = "teacher (frozen backbone)"

    def __init__(self, store: ImageStore, labels: Tensor, model: Classifier, config: TeacherConfig) -> None:
        super().__init__(store, labels, model, config)
        self.config = config
        model.embedder.trunk.requires_grad_(False)
        self.features_VnF = cached_features(model.embedder, store, self.augment, config)

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the cross-entropy of the batch under the margin, one cached view an epoch."""
        features_BF = self.features_VnF[epoch % len(self.features_VnF), images_B].to(self.config.device)
        return {"margin_softmax": self._margin_softmax(self.model.embedder.place(features_BF), images_B)}


def stage_of(store: ImageStore, labels: list[str], model: Classifier, config: TeacherConfig) -> LabelStage:
    """Return the stage that the settings ask for; `labels` name the classes of the store's first images."""
    classes, targets = numbered(labels, len(store))
    if config.freeze_backbone:
        return FrozenStage(store, targets, model, config)
    companions = companions_of(config)
    if companions is not None and len(companions.members) > 1:
        crops = Crops(store, Augment(), config.seed)
        companions = settle(model.embedder, model.head, companions, crops, targets, size_px=config.img_size)
    else:
        lent = load_prototypes(Path(config.start)) if config.start else companions.prototypes if companions else None
        if lent is not None:
            model.head.start_at(lent.rows_CD, lent.labels, classes)
    return TeacherStage(store, targets, model, config, companions)


def numbered(labels: list[str], n_images: int) -> tuple[list[str], Tensor]:
    """Return the classes, sorted, and the class number of each image (n,): -1 after the last label.

    >>> numbered(["b", "a"], 3)
    (['a', 'b'], tensor([ 1,  0, -1]))
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    targets = torch.full((n_images,), -1)
    targets[: len(numbers)] = torch.from_numpy(numbers)
    return classes.tolist(), targets


def companions_of(config: TeacherConfig) -> Companions | None:
    """Return the loaded companions, None where there are none to stay close to."""
    runs = [Path(run.strip()) for run in config.companion.split(",") if run.strip()]
    return Companions.load(runs, config.dim, config.device) if runs else None


def leading(backbone: Backbone, config: LabelConfig) -> Sequence[nn.Module]:
    """Return the parts of a trunk that stay as they are; ConfigError when it has no such number."""
    if config.freeze_parts > len(backbone.parts):
        raise ConfigError(
            f"freeze_parts = {config.freeze_parts}, but {config.backbone} has {len(backbone.parts)} parts to freeze"
        )
    return backbone.parts[: config.freeze_parts]


def train_teacher(manifest: Manifest, output: Path, config: TeacherConfig, *, resume: bool = False) -> ModelCard:
    """Train on the train split of `manifest`; write the run to `output` and return its card.

    The run holds model.safetensors, prototypes.safetensors, card.json, config.toml, metrics.jsonl
    and checkpoints. Raises ManifestError when there is nothing to learn from.
    """
    config = with_architecture(config)
    prepare(config)
    store = images_of(manifest, config)
    labels = manifest.labels[manifest.rows("train", config.rows)].tolist()
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise ManifestError(f"{manifest.source}: {len(classes)} train classes; a teacher needs at least 2")
    embedder, backbone = build_model(config, config.dim)
    head = PrototypeHead(len(classes), config.dim, scale=config.scale, margin=config.margin)
    model = to_device(Classifier(embedder, head, leading(backbone, config)), config.device)
    config = open_run(output, config, lambda: choose_amp(embedder, config.img_size, config.batch_size, config.device))
    stage = stage_of(store.preload(), labels, model, config)
    average = train(stage, config, output, resume=resume)
    assert isinstance(average, Classifier)
    trained = average.embedder
    outcome = Outcome(
        embedder=trained,
        backbone_options=options_of(config.backbone, asdict(config)),
        preprocess=backbone.preprocess,
        space=own_space(trained, backbone.preprocess),
        validation=stage.validate(average),
        facts={"data": str(manifest.source), "images": len(store), "classes": len(classes)},
    )
    prototypes = Prototypes(average.head.prototypes(), tuple(classes), config.scale)
    return close_run(output, "teacher", config, outcome, prototypes)
