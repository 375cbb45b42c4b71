"""train-student: a small model learns to place images where the teacher places them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hetvs.artifacts import ModelCard, is_bundle
from hetvs.config import StudentConfig
from hetvs.encoders import Encoder, batches, embed, open_encoder
from hetvs.errors import ManifestError
from hetvs.losses import LOSSES, require_anchored
from hetvs.losses.batch import Batch
from hetvs.losses.focal import focal_weights, right_under_cloud
from hetvs.losses.prototypes import class_means, denoised_means
from hetvs.losses.queue import Queue
from hetvs.manifest import Manifest
from hetvs.models.backbones import build_backbone, options_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import Prototypes, load_prototypes
from hetvs.progress import track
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore
from hetvs.training.loop import Stage, prepare, train
from hetvs.training.precision import autocast, choose_amp
from hetvs.training.run import Outcome, close_run, open_run, to_device
from hetvs.training.teacher_views import TeacherViews, teacher_views
from hetvs.training.validation import Validation

EMBED_BATCH = 128
PROTOTYPE_SCALE = 16.0  # of class means, which come without the scale of a trained head


class StudentStage(Stage):
    """The active terms of `hetvs.losses` on cached views of the teacher."""

    title = "student"
    model: Embedder

    def __init__(
        self, views: TeacherViews, model: Embedder, prototypes: Prototypes, config: StudentConfig, teacher: Encoder
    ) -> None:
        self.views, self.model, self.config, self.teacher = views, model, config, teacher
        self.images = len(views.store)
        self.prototypes_CD = prototypes.rows_CD.to(config.device)
        self.scale = prototypes.scale
        self.labels = class_numbers(views.store.manifest.labels[views.store.rows], prototypes.labels)
        self.right = torch.from_numpy(self._right_under_cloud()) if config.focal else None
        self.queue = Queue(min(config.queue, self.images), views.vectors_KnD.shape[-1])
        self.validation = Validation(views.store.manifest, config.rows)
        self._gallery_nD: np.ndarray | None = None

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the active terms of the batch; each image shows another view in each epoch."""
        config = self.config
        views_B = (images_B + epoch) % config.views  # neighbours in a batch show different views
        pixels, teacher_BD = self.views.batch(images_B, views_B)
        with autocast(config.device, config.amp):
            query_BD = self.model(pixels.to(config.device))
        images = torch.from_numpy(images_B)
        batch = self._batch(query_BD, teacher_BD, images)
        terms = {
            name: weight * LOSSES[name].loss(batch, config)
            for name, weight in config.active_terms().items()
            if self.queue.full or not LOSSES[name].needs_queue
        }
        self.queue.push(teacher_BD, images, self.labels[images])
        return terms or {"filling_queue": 0 * query_BD.sum()}

    def _batch(self, query_BD: Tensor, teacher_BD: Tensor, images_B: Tensor) -> Batch:
        device, queue = self.config.device, self.queue
        right_B = None if self.right is None else self.right[images_B].to(device)
        return Batch(
            query_BD=query_BD,
            teacher_BD=teacher_BD.to(device),
            labels_B=self.labels[images_B].to(device),
            images_B=images_B.to(device),
            keys_SD=queue.keys_SD.to(device),
            key_images_S=queue.images_S.to(device),
            key_labels_S=queue.labels_S.to(device),
            prototypes_CD=self.prototypes_CD,
            scale=self.scale,
            weights_B=None if right_B is None else focal_weights(right_B, self.config.focal),
        )

    def _right_under_cloud(self) -> np.ndarray:
        """Embed the whole training images by the teacher: a view may be harder than its image."""
        manifest, rows = self.views.store.manifest, self.views.store.rows
        shown = track(batches(rows, EMBED_BATCH), "teacher's first answers")
        vectors_nD = embed(self.teacher, manifest, shown).vectors_ND
        return right_under_cloud(vectors_nD, manifest.ids[rows], manifest.labels[rows])

    def state(self) -> dict[str, Tensor]:
        """Return the queue."""
        return self.queue.state()

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the queue back."""
        self.queue.load(state)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return M(q,q) and M(q,g) on the val split, and the mean cosine to the teacher."""
        query_nD = self.validation.vectors(model, self.config.img_size)
        if not len(query_nD):
            return {}
        if self._gallery_nD is None:
            self._gallery_nD = self.validation.encoded(self.teacher)
        cosine = float((query_nD * self._gallery_nD).sum(1).mean())
        homogeneous = self.validation.metrics(query_nD, query_nD, "q,q")
        heterogeneous = self.validation.metrics(query_nD, self._gallery_nD, "q,g")
        return {**homogeneous, **heterogeneous, "val/cosine": round(cosine, 6)}


def train_student(
    manifest: Manifest, teacher_path: Path, output: Path, config: StudentConfig, *, resume: bool = False
) -> ModelCard:
    """Train a student of the run or bundle at `teacher_path` on the train split; write the run to `output`.

    The student's card carries the teacher's space. Labels are used by the terms that say so in
    `hetvs.losses`, and by the focal weight. Raises ConfigError when no active term is anchored.
    """
    require_anchored(config.active_terms())
    prepare(config)
    rows = manifest.rows("train", config.rows)
    if not len(rows):
        raise ManifestError(f"{manifest.source}: no train image; check the split column and --rows")
    teacher = open_encoder(teacher_path, threads=config.threads)
    options = options_of(config.backbone, asdict(config))
    backbone = build_backbone(config.backbone, options, config.img_size)
    model = to_device(Embedder(backbone.trunk, backbone.features, teacher.card.dim, backbone.preprocess), config.device)
    config = open_run(output, config, lambda: choose_amp(model, config.img_size, config.batch_size, config.device))
    store = ImageStore(manifest, rows, config.source_size).preload()
    views = teacher_views(
        output / "views", teacher, store, Augment(), views=config.views, seed=config.seed, student_px=config.img_size
    )
    prototypes = prototypes_of(teacher_path, views, config.prototypes)
    stage = StudentStage(views, model, prototypes, config, teacher)
    trained = train(stage, config, output, resume=resume)
    assert isinstance(trained, Embedder)
    outcome = Outcome(
        embedder=trained,
        backbone_options=options,
        preprocess=backbone.preprocess,
        space=teacher.card.space,
        validation=stage.validate(trained),
        facts={
            "data": str(manifest.source),
            "images": len(store),
            "teacher": teacher.card.name,
            "terms": config.active_terms(),
            "focal": config.focal,
        },
    )
    return close_run(output, "student", config, outcome, None)


def prototypes_of(teacher_path: Path, views: TeacherViews, kind: str) -> Prototypes:
    """Return the rows of the influence term: the teacher's own ("teacher"), or those of its vectors of all views.

    "means" and "denoised" are of its vectors, and so is "teacher" where it hands out no prototypes.
    """
    own = load_prototypes(teacher_path) if kind == "teacher" and not is_bundle(teacher_path) else None
    if own is not None:
        return own
    classes, labels_n = np.unique(views.store.manifest.labels[views.store.rows], return_inverse=True)
    labels_Kn = torch.from_numpy(labels_n).repeat(len(views.vectors_KnD))
    mean = denoised_means if kind == "denoised" else class_means
    return Prototypes(mean(views.vectors_KnD.flatten(0, 1), labels_Kn), tuple(classes.tolist()), PROTOTYPE_SCALE)


def class_numbers(labels: np.ndarray, prototype_labels: Sequence[str]) -> Tensor:
    """Return the class number of each label (n,): its prototype row, or a number after the last row.

    >>> class_numbers(np.array(["b", "x", "a", "x"]), ("a", "b"))
    tensor([1, 2, 0, 2])
    """
    rest = sorted(set(labels.tolist()) - set(prototype_labels))
    number_of = {label: number for number, label in enumerate([*prototype_labels, *rest])}
    return torch.tensor([number_of[label] for label in labels.tolist()])
