"""What an update learns in a step: its own head on the full vector, and the pull of the old space on the old block."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hetvs.config import UpdateConfig
from hetvs.losses.mixed import mixed
from hetvs.losses.prototypes import near_rows
from hetvs.models.block import old_block
from hetvs.training.images import ImageStore
from hetvs.training.old_model import OldImages
from hetvs.training.precision import autocast
from hetvs.training.pull import Pull
from hetvs.training.smoother import Smoother
from hetvs.training.teacher import Classifier, LabelStage
from hetvs.training.teacher_views import TeacherViews


class UpdateStage(LabelStage):
    """Margin softmax as a teacher learns it, and the terms of `pull` as a student learns them (BCT and its kin).

    `targets` are the class numbers of the own head, -1 for an image without a label. With mixbct the head
    sees old vectors in the place of some new ones; with unibct the pull waits for its first prototypes.
    """

    title = "update"

    def __init__(
        self,
        store: ImageStore,
        targets: Tensor,
        model: Classifier,
        config: UpdateConfig,
        *,
        views: TeacherViews,
        old: OldImages,
        pull: Pull,
    ) -> None:
        super().__init__(store, targets, model, config)
        self.config, self.views, self.old, self.pull = config, views, old, pull
        self.dim = old.old.space.dim
        self.clean = clean_images(old) if config.mixes else None
        self.smoother = smoother_of(old, config) if config.method == "unibct" and pull.weights else None
        self.own_rows = own_rows(old, targets) if "lce" in pull.weights else None
        self._old_val_nD: np.ndarray | None = None

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the own cross-entropy, and the active terms; each image shows another view in each epoch."""
        pixels, old_BD = self.views.batch(images_B, epoch)
        with autocast(self.config.device, self.config.amp):
            vectors_BD = self.model.embedder(pixels.to(self.config.device))
        shown_BD = vectors_BD if self.clean is None else self._mixed(vectors_BD, self.clean, images_B)
        terms = {"margin_softmax": self._margin_softmax(shown_BD, images_B)}
        block_BD = old_block(vectors_BD, self.dim)
        if self.smoother is not None:
            self._smooth(self.smoother, block_BD, images_B, epoch)
        if self.pull.weights and (self.smoother is None or epoch > 0):
            terms |= self.pull.terms(block_BD, old_BD, images_B, self._own_rows())
        return terms

    def _own_rows(self) -> Tensor | None:
        """Return the own head's rows in the old block, one per prototype."""
        if self.own_rows is None:
            return None
        return old_block(self.model.head.prototypes(), self.dim)[self.own_rows]

    def _mixed(self, vectors_BD: Tensor, clean_n: Tensor, images_B: np.ndarray) -> Tensor:
        chosen_B = (torch.rand(len(images_B)) < self.config.mix) & clean_n[images_B]
        old_BD = old_block(self.old.vectors[images_B], vectors_BD.shape[1])
        return mixed(vectors_BD, old_BD.to(vectors_BD.device), chosen_B.to(vectors_BD.device))

    def _smooth(self, smoother: Smoother, block_BD: Tensor, images_B: np.ndarray, epoch: int) -> None:
        rows_CD = smoother.rows(epoch)
        if rows_CD is not None:
            self.pull.prototypes_CD = rows_CD.to(self.config.device)
        smoother.remember(block_BD, torch.from_numpy(images_B))

    def state(self) -> dict[str, Tensor]:
        """Return the queue, and what unibct has smoothed."""
        state = self.pull.queue.state()
        if self.smoother is not None:
            smoothed = {"rows": self.pull.prototypes_CD, **self.smoother.state()}
            state |= {f"smoother.{name}": value for name, value in smoothed.items()}
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Take them back."""
        self.pull.queue.load(state)
        if self.smoother is not None:
            kept = {name.removeprefix("smoother."): value for name, value in state.items()}
            self.pull.prototypes_CD = kept["rows"].to(self.config.device)
            self.smoother.load(kept)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return M(new,new) on the val split, and M(new,old) where every val image has an old vector."""
        new_nD = self.validation.vectors(model.get_submodule("embedder"), self.size_px)
        if not len(new_nD):
            return {}
        if self._old_val_nD is None:
            self._old_val_nD = self.old.old.vectors(self.store.manifest, self.validation.rows)
        found = self.validation.metrics(new_nD, new_nD, "new,new")
        if not np.isnan(self._old_val_nD).any():
            block_nD = old_block(torch.from_numpy(new_nD), self.dim).numpy()
            found |= self.validation.metrics(block_nD, self._old_val_nD, "new,old")
        return found


def clean_images(old: OldImages) -> Tensor:
    """Return (n,) bool: the images with an old vector that is no outlier of its class."""
    clean_n = torch.zeros(len(old.labels), dtype=torch.bool)
    clean_n[torch.from_numpy(old.known)[near_rows(old.vectors[old.known], old.classes[1])]] = True
    return clean_n


def smoother_of(old: OldImages, config: UpdateConfig) -> Smoother:
    """Return the smoother of the images that have an old vector."""
    positions = torch.from_numpy(old.known)
    return Smoother(positions, old.vectors[positions], old.classes[1], len(old.labels), config.smooth)


def own_rows(old: OldImages, targets_n: Tensor) -> Tensor:
    """Return (C,): which row of the own head is of the class of each prototype, where those are class means."""
    labels, numbers = old.classes
    rows_C = torch.zeros(len(labels), dtype=torch.int64)
    return rows_C.index_copy(0, numbers, targets_n[old.known])
