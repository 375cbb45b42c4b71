"""The prototypes that an update is pulled to: the old classifier's, means of old vectors, or both."""

from __future__ import annotations

import torch

from hetvs.config import UpdateConfig
from hetvs.errors import ConfigError
from hetvs.losses.prototypes import class_means, denoised_means
from hetvs.models.storage import Prototypes
from hetvs.training.old_model import OldImages

MEANS_SCALE = 16.0  # of class means, which come without the scale of a trained head


def old_prototypes(images: OldImages, config: UpdateConfig) -> Prototypes:
    """Return the frozen rows of a method; none where no active term looks at them.

    default: denoised means of every class; lce and unibct: their means (unibct smooths them later);
    influence: the old classifier's rows and, by the route `synthesize`, means of the classes it lacks. By the
    other routes influence and default have the old classifier's rows alone.
    """
    terms = config.active_terms()
    if not {"influence", "soft_influence", "lce"} & set(terms):
        return Prototypes(torch.zeros(0, images.old.space.dim), (), 1.0)
    if config.unseen != "synthesize":
        return _classifier(images, config.unseen)
    if config.method == "influence":
        return _completed(images)
    mean = denoised_means if config.method == "default" else class_means
    labels, numbers = images.classes
    return Prototypes(mean(images.vectors[images.known], numbers), labels, _scale(images))


def _completed(images: OldImages) -> Prototypes:
    """Return the old classifier with class means after its rows, for the classes that it lacks."""
    classifier = images.old.classifier
    if classifier is not None and set(images.labels.tolist()) <= {*classifier.labels, ""}:
        return classifier
    labels, numbers = images.classes
    means_CD = class_means(images.vectors[images.known], numbers)
    if classifier is None:
        return Prototypes(means_CD, labels, MEANS_SCALE)
    lacking = [number for number, label in enumerate(labels) if label not in classifier.labels]
    added = tuple(labels[number] for number in lacking)
    rows_CD = torch.cat([classifier.rows_CD, means_CD[lacking]])
    return Prototypes(rows_CD, (*classifier.labels, *added), classifier.scale)


def _classifier(images: OldImages, unseen: str) -> Prototypes:
    """Return the old classifier as it is; ConfigError when the old model hands out none."""
    if images.old.classifier is None:
        raise ConfigError(
            f"{images.old.entrant.folder} has no classifier, so nobody knows which classes are unseen; "
            f"take --unseen synthesize instead of {unseen}"
        )
    return images.old.classifier


def _scale(images: OldImages) -> float:
    classifier = images.old.classifier
    return MEANS_SCALE if classifier is None else classifier.scale
