"""What ties a step to a space that does not move: the active terms, and what they remember between steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from hetvs.config import StudentConfig, UpdateConfig
from hetvs.losses import LOSSES
from hetvs.losses.batch import Batch
from hetvs.losses.focal import focal_weights
from hetvs.losses.queue import Queue
from hetvs.models.storage import Prototypes


class Pull:
    """The terms of `weights` on n images: their class numbers, the prototypes, the queue, the focal bits.

    `labels_n` are numbers as `class_numbers` gives them, `right_n` says which images the reference
    retrieves right (None without a focal weight).
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        config: StudentConfig | UpdateConfig,
        prototypes: Prototypes,
        labels_n: Tensor,
        right_n: np.ndarray | None,
    ) -> None:
        self.weights, self.config, self.labels = weights, config, labels_n
        self.prototypes_CD = prototypes.rows_CD.to(config.device)
        self.scale = prototypes.scale
        self.right = None if right_n is None else torch.from_numpy(right_n)
        self.radius_C: Tensor | None = None
        self.queue = Queue(min(config.queue, len(labels_n)), prototypes.rows_CD.shape[1])

    def terms(
        self, query_BD: Tensor, teacher_BD: Tensor, images_B: np.ndarray, own_CD: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the weighted terms of a step; those that need the queue wait until it is full."""
        images = torch.from_numpy(images_B)
        batch = self._batch(query_BD, teacher_BD, images, own_CD)
        terms = {
            name: weight * LOSSES[name].loss(batch, self.config)
            for name, weight in self.weights.items()
            if self.queue.full or not LOSSES[name].needs_queue
        }
        self.queue.push(teacher_BD, images, self.labels[images])
        return terms

    def _batch(self, query_BD: Tensor, teacher_BD: Tensor, images_B: Tensor, own_CD: Tensor | None) -> Batch:
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
            own_CD=own_CD,
            radius_C=self.radius_C,
        )
