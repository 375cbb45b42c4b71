"""A linear map folded into the projection: a rotated space, or a prefix of it, at no cost on the device."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import weights_digest


def fold(embedder: Embedder, weight_ED: Tensor) -> None:
    """Make the vectors of `embedder` norm(W z) in place, z (D,) being what its projection gave before the norm.

    W (E, D) is multiplied into the projection in float64; the projection is the last layer, so this is exact.
    """
    old, weight = embedder.projection, weight_ED.double()
    folded = nn.Linear(old.in_features, len(weight_ED))
    with torch.no_grad():
        folded.weight.copy_(weight @ old.weight.double())
        folded.bias.copy_(weight @ old.bias.double())
    embedder.projection = folded.train(old.training)


def cut_to_prefix(embedder: Embedder, card: ModelCard, dim: int) -> ModelCard:
    """Make the vectors of `embedder` their first `dim` components, normalised again, in place; return its card.

    Raises ConfigError unless the space is rotated and `dim` is in 1..D.
    """
    space = card.space.prefix(dim)
    fold(embedder, torch.eye(card.dim)[:dim])
    return folded_card(embedder, card, space)


def folded_card(embedder: Embedder, card: ModelCard, space: SpaceCard) -> ModelCard:
    """Return the card of a folded embedder: another space, other weights, another cost."""
    return replace(
        card,
        space=space,
        weights_digest=weights_digest(embedder),
        macs=macs_of(embedder, card.preprocess.size_px),
        parameters=parameters_of(embedder),
    )
