"""train-student: a small model learns to place images where the teacher places them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.artifacts import ModelCard, is_bundle
from hetvs.config import StudentConfig
from hetvs.encoders import Encoder, open_encoder
from hetvs.errors import ManifestError
from hetvs.losses import require_anchored
from hetvs.losses.anchor import anchor
from hetvs.losses.context import Queue, context
from hetvs.losses.influence import influence
from hetvs.losses.relational import relational
from hetvs.manifest import Manifest
from hetvs.models.backbones import build_backbone, options_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import Prototypes, load_prototypes
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore
from hetvs.training.loop import Stage, prepare, train
from hetvs.training.precision import autocast, choose_amp
from hetvs.training.run import Outcome, close_run, open_run, settle_batch_norm, to_device
from hetvs.training.teacher_views import TeacherViews, teacher_views
from hetvs.training.validation import Validation

PROTOTYPE_SCALE = 16.0  # of class means, when the teacher hands out no prototypes


class StudentStage(Stage):
    """Anchor, context and influence on cached views of the teacher."""

    title = "student"
    model: Embedder

    def __init__(
        self, views: TeacherViews, model: Embedder, prototypes: Prototypes, config: StudentConfig, teacher: Encoder
    ) -> None:
        self.views, self.model, self.config, self.teacher = views, model, config, teacher
        self.images = len(views.store)
        self.prototypes_CD = prototypes.rows_CD.to(config.device)
        self.scale = prototypes.scale
        row_of = {label: row for row, label in enumerate(prototypes.labels)}
        labels = views.store.manifest.labels[views.store.rows].tolist()
        self.labels = torch.tensor([row_of.get(label, -1) for label in labels])
        self.queue = Queue(min(config.queue, self.images), views.vectors_KnD.shape[-1])
        self.validation = Validation(views.store.manifest, config.rows)
        self._gallery_nD: np.ndarray | None = None

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the active terms of the batch; each image shows another view in each epoch."""
        config, device = self.config, self.config.device
        views_B = (images_B + epoch) % config.views  # neighbours in a batch show different views
        pixels, teacher_BD = self.views.batch(images_B, views_B)
        with autocast(device, config.amp):
            query_BD = self.model(pixels.to(device))
        teacher_BD, labels_B = teacher_BD.to(device), self.labels[images_B].to(device)
        terms = {"anchor": config.anchor * anchor(query_BD, teacher_BD)}
        if config.context and self.queue.full:
            terms["context"] = config.context * self._context(query_BD, teacher_BD, torch.from_numpy(images_B))
        if config.influence:
            terms["influence"] = config.influence * influence(query_BD, self.prototypes_CD, labels_B, scale=self.scale)
        if config.relational:
            terms["relational"] = config.relational * relational(query_BD, teacher_BD)
        self.queue.push(teacher_BD.cpu(), torch.from_numpy(images_B))
        return terms

    def _context(self, query_BD: Tensor, teacher_BD: Tensor, images_B: Tensor) -> Tensor:
        same = (self.queue.images_S[None] == images_B[:, None]).to(query_BD.device)
        keys = self.queue.keys_SD.to(query_BD.device)
        return context(query_BD, teacher_BD, keys, same, temperature=self.config.temperature)

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

    The student's card carries the teacher's space. Labels are used by the influence term only.
    """
    terms = {name: getattr(config, name) for name in ("anchor", "context", "influence", "relational")}
    require_anchored(terms)
    prepare(config)
    rows = manifest.rows("train", config.rows)
    if not len(rows):
        raise ManifestError(f"{manifest.source}: no train image; check the split column and --rows")
    teacher = open_encoder(teacher_path, threads=config.threads)
    options = options_of(config.backbone, asdict(config))
    backbone = build_backbone(config.backbone, options, config.img_size)
    model = to_device(Embedder(backbone.trunk, backbone.features, teacher.card.dim, backbone.preprocess), config.device)
    config = open_run(output, config, lambda: choose_amp(model, config.img_size, config.batch_size, config.device))
    store = ImageStore(manifest, rows, config.source_size)
    views = teacher_views(
        output / "views", teacher, store, Augment(), views=config.views, seed=config.seed, student_px=config.img_size
    )
    prototypes = (None if is_bundle(teacher_path) else load_prototypes(teacher_path)) or class_means(views)
    stage = StudentStage(views, model, prototypes, config, teacher)
    trained = train(stage, config, output, resume=resume)
    assert isinstance(trained, Embedder)
    settle_batch_norm(trained, store, config.img_size)
    outcome = Outcome(
        embedder=trained,
        backbone_options=options,
        preprocess=backbone.preprocess,
        space=teacher.card.space,
        validation=stage.validate(trained),
        facts={"data": str(manifest.source), "images": len(store), "teacher": teacher.card.name, "terms": terms},
    )
    return close_run(output, "student", config, outcome, None)


def class_means(views: TeacherViews) -> Prototypes:
    """Prototypes of a teacher that has none: norm of the mean of its unit vectors of each class.

    All K views count (BCT's route for classes without a classifier row, arXiv 2003.11942 section 3.2).
    """
    classes, labels = np.unique(views.store.manifest.labels[views.store.rows], return_inverse=True)
    sums_CD = torch.zeros(len(classes), views.vectors_KnD.shape[-1])
    sums_CD.index_add_(0, torch.from_numpy(labels), views.vectors_KnD.sum(0))
    return Prototypes(F.normalize(sums_CD, dim=-1), tuple(classes.tolist()), PROTOTYPE_SCALE)
