"""What a supernet learns in a step: several paths that follow the teacher, or one as published."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from hetvs.config import SupernetConfig
from hetvs.losses.anchor import anchor
from hetvs.losses.context import context
from hetvs.losses.influence import influence
from hetvs.losses.queue import Queue
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import Prototypes
from hetvs.nas.judge import Evidence, Judge
from hetvs.nas.paths import from_a_bin, macs_bins, sandwich
from hetvs.nas.space import Architecture
from hetvs.nas.supernet import Supernet
from hetvs.training.augment import downscale
from hetvs.training.loop import Stage
from hetvs.training.precision import autocast
from hetvs.training.student_stage import class_numbers
from hetvs.training.teacher_views import TeacherViews


class Shared(nn.Module):
    """A supernet and, where it learns from labels, the head of its own that trains it."""

    def __init__(self, supernet: Supernet, head: PrototypeHead | None) -> None:
        super().__init__()
        self.supernet, self.head = supernet, head


class SupernetStage(Stage):
    """What both modes share: views of the teacher, paths through the supernet, its val split (abstract)."""

    title = "supernet"
    model: Shared

    def __init__(
        self, views: TeacherViews, model: Shared, prototypes: Prototypes, config: SupernetConfig, evidence: Evidence
    ) -> None:
        self.views, self.model, self.config, self.evidence = views, model, config, evidence
        self.images = len(views.store)
        self.space = model.supernet.space
        self.prototypes_CD, self.scale = prototypes.rows_CD.to(config.device), prototypes.scale
        self.labels = class_numbers(views.store.manifest.labels[views.store.rows], prototypes.labels)

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the weighted terms of a step; its architectures depend on seed and step alone."""
        pixels, teacher_BD = self.views.batch(images_B, epoch)
        rng = np.random.default_rng(int(torch.randint(1 << 62, ())))  # torch is seeded in every step
        return self.terms_of(pixels.to(self.config.device), teacher_BD.to(self.config.device), images_B, rng)

    @abstractmethod
    def terms_of(
        self, pixels: Tensor, teacher_BD: Tensor, images_B: np.ndarray, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the terms on the views' pixels (B, 3, S, S) and the teacher's vectors of them."""

    def vectors(self, pixels: Tensor, arch: Architecture) -> Tensor:
        """Return the vectors (B, D) of one path, at its own input size."""
        with autocast(self.config.device, self.config.amp):
            vectors: Tensor = self.model.supernet(downscale(pixels, arch.img_size), arch)
        return vectors

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return M(q,q), M(q,g) and the mean cosine of the largest and the smallest architecture."""
        assert isinstance(model, Shared)
        judge = Judge(model.supernet, self.evidence)
        found: dict[str, float] = {}
        for name, arch in (("largest", self.space.largest()), ("smallest", self.space.smallest())):
            rewards = judge.full(arch)
            for measure, key in (("q,q/map", "R1"), ("q,g/map", "R2"), ("cosine", "cosine")):
                found[f"val/{name}/{measure}"] = round(rewards[key], 6)
        return found

    def labels_of(self, images_B: np.ndarray) -> Tensor:
        """Return the class numbers of images (B,), -1 where there is none."""
        return self.labels[torch.from_numpy(images_B)].to(self.config.device)


class AnchoredStage(SupernetStage):
    """The sandwich rule with one fixed target: every path regresses to the teacher's vector of the view.

    So all architectures are compatible with the teacher's gallery and with each other without being trained
    again; the others also follow the largest (BigNAS, arXiv 2003.11142).
    """

    def __init__(
        self, views: TeacherViews, model: Shared, prototypes: Prototypes, config: SupernetConfig, evidence: Evidence
    ) -> None:
        super().__init__(views, model, prototypes, config, evidence)
        self.queue = Queue(min(config.queue, self.images), prototypes.rows_CD.shape[1])

    def terms_of(
        self, pixels: Tensor, teacher_BD: Tensor, images_B: np.ndarray, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return each weighted term, the mean over the paths of the step."""
        config, images = self.config, torch.from_numpy(images_B)
        paths = [self.vectors(pixels, arch) for arch in sandwich(self.space, config.random, rng)]
        top_BD, others = paths[0].detach(), paths[1:]
        terms = {
            "anchor": config.anchor * _total(anchor(query_BD, teacher_BD) for query_BD in paths),
            "inplace": config.inplace * _total(anchor(query_BD, top_BD) for query_BD in others),
            "influence": config.influence
            * influence(paths[0], self.prototypes_CD, self.labels_of(images_B), scale=self.scale),
        }
        if self.queue.full:
            keys_SD, same_BS = self.queue.keys_SD.to(config.device), images[:, None] == self.queue.images_S
            seen = (teacher_BD, keys_SD, same_BS.to(config.device))
            terms["context"] = config.context * _total(
                context(query_BD, *seen, temperature=config.temperature) for query_BD in paths
            )
        self.queue.push(teacher_BD.cpu(), images, self.labels[images])
        return {name: term / len(paths) for name, term in terms.items()}

    def state(self) -> dict[str, Tensor]:
        """Return the queue."""
        return self.queue.state()

    def load(self, state: dict[str, Tensor]) -> None:
        """Take the queue back."""
        self.queue.load(state)


class FaithfulStage(SupernetStage):
    """One path a step, uniform within equal bins of MACs, on labels: own head and the teacher's frozen prototypes.

    The composite loss of heterogeneous search (CMP-NAS, arXiv 2105.06047), both terms of weight 1, on the
    single path of arXiv 1904.00420. Published details uncertain; this is our specification.
    """

    def __init__(
        self, views: TeacherViews, model: Shared, prototypes: Prototypes, config: SupernetConfig, evidence: Evidence
    ) -> None:
        super().__init__(views, model, prototypes, config, evidence)
        self.edges = macs_bins(self.space, model.supernet.dim, config.bins)

    def terms_of(
        self, pixels: Tensor, teacher_BD: Tensor, images_B: np.ndarray, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the two cross-entropies of the labelled images on one path."""
        query_BD = self.vectors(pixels, from_a_bin(self.space, self.model.supernet.dim, self.edges, rng))
        labels_B, head = self.labels_of(images_B), self.model.head
        known = (labels_B >= 0).nonzero().flatten()
        assert head is not None
        own = head(query_BD[known], labels_B[known]) if len(known) else 0 * query_BD.sum()
        return {"own_head": own, "influence": influence(query_BD, self.prototypes_CD, labels_B, scale=self.scale)}


def stage_of(
    views: TeacherViews, model: Shared, prototypes: Prototypes, config: SupernetConfig, evidence: Evidence
) -> SupernetStage:
    """Return the stage of `config.mode`."""
    kind = AnchoredStage if config.mode == "anchored" else FaithfulStage
    return kind(views, model, prototypes, config, evidence)


def _total(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()
