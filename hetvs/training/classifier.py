"""train-classifier: a closed set of classes, with right answers of an earlier classifier kept right.

Positive-congruent training (PCT, Yan et al., arXiv 2011.09161), ELODI (Zhao et al., arXiv 2205.06265), and the
logit bias of MPT for classes that are new. The loss is (1 - kappa) * CE + kappa * distance to the frozen logits;
the naive way weighs the images of CE instead.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.artifacts import ModelCard
from hetvs.classifiers import right_answers
from hetvs.config import ClassifierConfig
from hetvs.encoders import batches
from hetvs.errors import ManifestError
from hetvs.manifest import Manifest
from hetvs.models.backbones import options_of
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import Prototypes
from hetvs.retrieval import flips
from hetvs.training.augment import Augment, draws
from hetvs.training.images import ImageStore, images_of
from hetvs.training.loop import Stage, prepare, train
from hetvs.training.precision import autocast, choose_amp
from hetvs.training.run import Outcome, close_run, open_run, own_space, to_device
from hetvs.training.start import build_model, with_architecture
from hetvs.training.teacher import Classifier, leading
from hetvs.training.ties import READ_BATCH, Tie, ties_of
from hetvs.training.validation import Validation

# A photograph that fills its frame: small crops inside it, no turn of the colours.
GENTLE = Augment(
    zoom=(1.0, 1.15), rotation=4.0, shift=0.04, aspect=0.04, shear=0.03, jitter=0.0, grey=0.0, mono=0.0, invert=0.0
)


class ClassifierStage(Stage):
    """Softmax on a fresh view of each image in each epoch, held to frozen classifiers if there are any."""

    title = "classifier"
    model: Classifier

    def __init__(
        self, store: ImageStore, classes: list[str], model: Classifier, ties: dict[str, Tie], config: ClassifierConfig
    ) -> None:
        self.store, self.classes, self.model, self.ties, self.config = store, classes, model, ties, config
        self.images = len(store)
        self.labels = torch.from_numpy(np.searchsorted(classes, store.manifest.labels[store.rows]))
        self.augment = replace(GENTLE if config.gentle else Augment(), erase=config.erase)
        self.validation = Validation(store.manifest, config.rows)
        self.bias_C = torch.zeros(len(classes))
        if "old" in ties:
            known = ties["old"].reference.labels
            self.bias_C += config.new_bias * torch.tensor([float(label not in known) for label in classes])

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the cross-entropy and the distance to each frozen classifier, each with its share of the loss."""
        config = self.config
        random = draws(config.seed, images_B, np.full(len(images_B), epoch))
        pixels = self.augment.render(self.store.rgba(images_B), random, config.img_size)
        with autocast(config.device, config.amp):
            vectors_BD = self.model.embedder(pixels.to(config.device))
        logits_BC = self.model.head.logits(vectors_BD)
        loss_B = self._cross_entropy(logits_BC, images_B)
        if config.congruent == "none":
            return {"labels": loss_B.mean()}
        if config.congruent == "naive":
            return {"labels": (self.ties["old"].weights(logits_BC, images_B, config) * loss_B).mean()}
        held = {
            name: config.kappa * tie.share * tie.distance(logits_BC, pixels, images_B, config)
            for name, tie in self.ties.items()
        }
        return {"labels": (1 - config.kappa) * loss_B.mean(), **held}

    def _cross_entropy(self, logits_BC: Tensor, images_B: np.ndarray) -> Tensor:
        """Return the cross-entropy of each image (B,), under the margin and the bias of new classes."""
        labels_B = self.labels[images_B].to(logits_BC.device)
        learnt_BC = self.model.head.under_margin(logits_BC, labels_B) + self.bias_C.to(logits_BC.device)
        return F.cross_entropy(learnt_BC, labels_B, reduction="none")

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the accuracy on the val split, and NFR and PFR against the old model if there is one."""
        assert isinstance(model, Classifier)
        vectors_nD = self.validation.vectors(model.embedder, self.config.img_size)
        if not len(vectors_nD):
            return {}
        manifest, rows = self.validation.manifest, self.validation.rows
        with torch.inference_mode():
            logits_nC = model.head.logits(torch.from_numpy(vectors_nD).to(self.config.device)).cpu().numpy()
        right_n = right_answers(logits_nC, self.classes, manifest.labels[rows])
        found = {"val/accuracy": float(right_n.mean())}
        if "old" in self.ties:
            old = self.ties["old"].reference
            before_nC = old.answers(manifest, batches(rows, READ_BATCH))
            flipped = flips.per_query(right_answers(before_nC, old.labels, manifest.labels[rows]), right_n)
            found["val/nfr"] = float(flipped["negative_flip"].mean())
            found["val/pfr"] = float(flipped["positive_flip"].mean())
        return {name: round(value, 6) for name, value in found.items()}


def train_classifier(manifest: Manifest, output: Path, config: ClassifierConfig, *, resume: bool = False) -> ModelCard:
    """Train a classifier on the train split of `manifest`; write the run to `output` and return its card.

    The run is that of `train_teacher`: its prototypes are the classifier, and its space is its own. Raises
    ManifestError when there are fewer than two classes, ConfigError when an earlier model shares no class.
    """
    config = with_architecture(config)
    prepare(config)
    store = images_of(manifest, config)
    classes = sorted(set(manifest.labels[store.rows].tolist()))
    if len(classes) < 2:
        raise ManifestError(f"{manifest.source}: {len(classes)} train classes; a classifier needs at least 2")
    embedder, backbone = build_model(config, config.dim)
    head = PrototypeHead(len(classes), config.dim, scale=config.scale, margin=config.margin)
    model = to_device(Classifier(embedder, head, leading(backbone, config)), config.device)
    config = open_run(output, config, lambda: choose_amp(embedder, config.img_size, config.batch_size, config.device))
    ties = ties_of(store.preload(), classes, config)
    stage = ClassifierStage(store, classes, model, ties, config)
    average = train(stage, config, output, resume=resume)
    assert isinstance(average, Classifier)
    outcome = Outcome(
        embedder=average.embedder,
        backbone_options=options_of(config.backbone, asdict(config)),
        preprocess=backbone.preprocess,
        space=own_space(average.embedder, backbone.preprocess),
        validation=stage.validate(average),
        facts={
            "data": str(manifest.source),
            "images": len(store),
            "classes": len(classes),
            "congruent": config.congruent,
            "held to": {name: tie.reference.name for name, tie in ties.items()},
        },
    )
    prototypes = Prototypes(average.head.prototypes(), tuple(classes), config.scale)
    return close_run(output, "classifier", config, outcome, prototypes)
