"""What holds a classifier while it learns: frozen classifiers, and the classes and images that both know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetvs.classifiers import Ensemble, right_answers
from hetvs.config import ClassifierConfig
from hetvs.encoders import batches
from hetvs.errors import ConfigError
from hetvs.losses.congruent import (
    focus_weights,
    logit_difference,
    logit_divergence,
    logit_inhibition,
    mean_over_known,
)
from hetvs.progress import track
from hetvs.training.augment import downscale
from hetvs.training.images import ImageStore

READ_BATCH = 256


@dataclass(frozen=True)
class Tie:
    """A reference that a classifier is held to, with `share` of what holds it.

    `ours` and `theirs` (K,) are the numbers of the shared classes on both sides; `class_n` is the place of an image's
    class among them, -1 for a class that the reference does not know; `right_n` says whether the reference is
    right on the whole image (a view may be harder than its image), None where no focus asks for it.
    """

    reference: Ensemble
    share: float
    ours: Tensor
    theirs: Tensor
    class_n: Tensor
    right_n: Tensor | None

    @classmethod
    def of(cls, reference: Ensemble, store: ImageStore, classes: Sequence[str], share: float, *, focused: bool) -> Tie:
        """Match the classes, and let the reference answer every image for a focus; ConfigError when none is shared."""
        shared = [label for label in classes if label in reference.labels]
        if not shared:
            raise ConfigError(f"{reference.name} knows none of the {len(classes)} classes; give another run")
        truth_n = store.manifest.labels[store.rows]
        place = {label: number for number, label in enumerate(shared)}
        return cls(
            reference=reference,
            share=share,
            ours=torch.tensor([list(classes).index(label) for label in shared]),
            theirs=torch.tensor([reference.labels.index(label) for label in shared]),
            class_n=torch.tensor([place.get(label, -1) for label in truth_n.tolist()]),
            right_n=_right_images(reference, store) if focused else None,
        )

    def logits(self, pixels: Tensor) -> Tensor:
        """Return the reference's logits of crops (B, 3, S, S) over the shared classes (B, K)."""
        members = self.reference.members
        seen = [member.logits(downscale(pixels, member.preprocess.size_px)) for member in members]
        return torch.stack(seen).mean(0)[:, self.theirs]

    def distance(self, logits_BC: Tensor, pixels: Tensor, images_B: np.ndarray, config: ClassifierConfig) -> Tensor:
        """Return the mean distance of our logits to the reference's, over the images whose class it knows."""
        new_BK, reference_BK = logits_BC[:, self.ours], self.logits(pixels).to(logits_BC.device)
        class_B = self.class_n[images_B].to(logits_BC.device)
        known_B = class_B >= 0
        if config.congruent == "elodi":
            away_B = logit_inhibition(
                new_BK,
                reference_BK,
                slack=config.slack,
                power=config.power,
                top=config.top,
                hidden_B=class_B.clamp(min=0) if config.hide_label else None,
            )
            return mean_over_known(away_B, known_B)
        away_B = (
            logit_divergence(new_BK, reference_BK, temperature=config.temperature)
            if config.distance == "divergence"
            else logit_difference(new_BK, reference_BK)
        )
        return mean_over_known(self.weights(logits_BC, images_B, config) * away_B, known_B)

    def weights(self, logits_BC: Tensor, images_B: np.ndarray, config: ClassifierConfig) -> Tensor:
        """Return the focus weight of each image (B,); whether the new model is right is read from its view."""
        assert self.right_n is not None, "a focus needs the answers of the reference"
        class_B = self.class_n[images_B].to(logits_BC.device)
        new_right_B = logits_BC.detach().argmax(dim=1) == self.ours.to(logits_BC.device)[class_B]
        old_right_B = self.right_n[images_B].to(logits_BC.device)
        return focus_weights(
            config.focus, old_right_B, new_right_B & (class_B >= 0), alpha=config.alpha, beta=config.beta
        )


def ties_of(store: ImageStore, classes: Sequence[str], config: ClassifierConfig) -> dict[str, Tie]:
    """Return the ties that the settings name: "old", "references", both or none; shares add up to 1."""
    named = {"old": config.old, "references": config.references}
    runs = {name: [Path(run.strip()) for run in text.split(",") if run.strip()] for name, text in named.items()}
    if len(runs["old"]) > 1:
        raise ConfigError(f"old names {len(runs['old'])} runs; there is one earlier model, the others are references")
    focused = config.congruent in ("naive", "focal")
    shares = {"old": config.old_share, "references": 1 - config.old_share} if all(runs.values()) else {}
    return {
        name: Tie.of(Ensemble.load(paths, config.device), store, classes, shares.get(name, 1.0), focused=focused)
        for name, paths in runs.items()
        if paths
    }


def _right_images(reference: Ensemble, store: ImageStore) -> Tensor:
    """Return whether the reference is right on each whole image (n,)."""
    shown = track(batches(store.rows, READ_BATCH), f"answers of {reference.name}")
    logits_nC = reference.answers(store.manifest, shown)
    return torch.from_numpy(right_answers(logits_nC, reference.labels, store.manifest.labels[store.rows]))
