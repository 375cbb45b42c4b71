"""What a student learns in a step: the active terms of `hetvs.losses` on views of the teacher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hetvs.config import StudentConfig
from hetvs.losses.focal import right_under_cloud
from hetvs.models.storage import Prototypes
from hetvs.training.given import Given, whole_vectors
from hetvs.training.loop import Stage
from hetvs.training.noise import photometric
from hetvs.training.precision import autocast
from hetvs.training.processes import share_of
from hetvs.training.pull import Pull
from hetvs.training.teacher_views import TeacherViews
from hetvs.training.validation import Validation
from hetvs.training.whole_batch import gathered, replicated, whole_batch_norm


class StudentStage(Stage):
    """The active terms of `hetvs.losses` on views of the teacher."""

    title = "student"

    def __init__(
        self, views: TeacherViews, model: nn.Module, prototypes: Prototypes, config: StudentConfig, teacher: Given
    ) -> None:
        self.views, self.model, self.config, self.teacher = views, model, config, teacher
        self.replica = replicated(model)
        self.images = len(views.store)
        self.labels = class_numbers(views.store.manifest.labels[views.store.rows], prototypes.labels)
        right_n = self._right_under_cloud() if config.focal else None
        self.pull = Pull(config.active_terms(), config, prototypes, self.labels, right_n)
        self.validation = Validation(views.store.manifest, config.rows)
        self._gallery_nD: np.ndarray | None = None

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the active terms of the batch; each image shows another view in each epoch."""
        config, total = self.config, len(images_B)
        mine = images_B[share_of(total)]
        pixels, teacher_BD = self.views.batch(mine, epoch)
        pixels = photometric(pixels, mine, seed=config.seed, epoch=epoch, strength=config.noise)
        with autocast(config.device, config.amp), whole_batch_norm():
            query_BD = self.replica(pixels.to(config.device))
        query_BD, teacher_BD = gathered(query_BD, total), gathered(teacher_BD, total)
        return self.pull.terms(query_BD, teacher_BD, images_B) or {"filling_queue": 0 * query_BD.sum()}

    def _right_under_cloud(self) -> np.ndarray:
        """Embed the whole labelled images by the teacher: a view may be harder than its image."""
        manifest, labelled = self.views.store.manifest, np.flatnonzero(self.labels >= 0)
        rows = self.views.store.rows[labelled]
        vectors_nD = whole_vectors(self.teacher, manifest, rows, "teacher's first answers")
        right_n = np.zeros(self.images, dtype=bool)
        right_n[labelled] = right_under_cloud(vectors_nD, manifest.ids[rows], manifest.labels[rows])
        return right_n

    def state(self) -> dict[str, Tensor]:
        """Return the queue."""
        return self.pull.queue.state()

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the queue back."""
        self.pull.queue.load(state)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return M(q,q) and M(q,g) on the val split, and the mean cosine to the teacher."""
        query_nD = self.validation.vectors(model, self.config.img_size)
        if not len(query_nD):
            return {}
        if self._gallery_nD is None:
            rows = self.validation.rows
            self._gallery_nD = whole_vectors(self.teacher, self.validation.manifest, rows, "teacher's val vectors")
        cosine = float((query_nD * self._gallery_nD).sum(1).mean())
        homogeneous = self.validation.metrics(query_nD, query_nD, "q,q")
        heterogeneous = self.validation.metrics(query_nD, self._gallery_nD, "q,g")
        return {**homogeneous, **heterogeneous, "val/cosine": round(cosine, 6)}


def class_numbers(labels: np.ndarray, prototype_labels: Sequence[str]) -> Tensor:
    """Return the class number of each label (n,): its prototype row, or a number after the last row; -1 for none.

    >>> class_numbers(np.array(["b", "x", "", "x"]), ("a", "b"))
    tensor([ 1,  2, -1,  2])
    """
    rest = sorted(set(labels.tolist()) - {*prototype_labels, ""})
    number_of = {"": -1} | {label: number for number, label in enumerate([*prototype_labels, *rest])}
    return torch.tensor([number_of[label] for label in labels.tolist()])
