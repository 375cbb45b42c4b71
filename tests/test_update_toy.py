"""A toy world where both models can be had in a second: linear models of noisy measurements of hidden vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.losses.anchor import anchor
from hetvs.losses.influence import influence
from hetvs.models.heads import PrototypeHead
from hetvs.retrieval.metrics import average_precision, recall_at_k
from hetvs.retrieval.search import Items, relevant_ranks

CLASSES, IMAGES, HIDDEN, SEEN, DIM, SCALE = 120, 6, 8, 32, 8, 16.0
TRAIN = np.arange(CLASSES * IMAGES) // IMAGES < 60  # the other classes are judged: no model was trained on them


@dataclass(frozen=True)
class World:
    """The same images as an old camera sees them (n, SEEN), and as a better one does; their class numbers."""

    old: Tensor
    new: Tensor
    labels: Tensor


@cache
def world() -> World:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    labels = torch.arange(CLASSES * IMAGES) // IMAGES
    hidden = normal(CLASSES, HIDDEN)[labels] + 0.35 * normal(len(labels), HIDDEN)
    old, new = (hidden @ normal(HIDDEN, SEEN) + noise * normal(len(labels), SEEN) for noise in (3.5, 1.0))
    return World(old, new, labels)


Pull = Callable[[Tensor], Tensor]  # of the new vectors of all train images


def trained(seen: Tensor, seed: int, pull: Pull = lambda vectors: vectors.sum() * 0) -> tuple[Tensor, PrototypeHead]:
    """Return unit vectors of every image by a linear model that learned the train classes, and its head."""
    torch.manual_seed(seed)
    model, head = nn.Linear(SEEN, DIM), PrototypeHead(60, DIM, scale=SCALE, margin=0.0)
    optimiser = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=0.02)
    for _ in range(250):
        vectors = F.normalize(model(seen[TRAIN]), dim=-1)
        loss = head(vectors, world().labels[TRAIN]) + pull(vectors)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return F.normalize(model(seen), dim=-1), head


def judged(query: Tensor, gallery: Tensor) -> dict[str, float]:
    """Recall@1 and mAP on the classes that nobody was trained on."""
    ids, labels = np.arange(len(TRAIN)).astype(str), world().labels.numpy()
    sides = (Items(side.numpy()[~TRAIN], ids[~TRAIN], labels[~TRAIN]) for side in (query, gallery))
    ranks = relevant_ranks(*sides, threads=1)
    return {"recall@1": float(recall_at_k(ranks, 1).mean()), "map": float(average_precision(ranks).mean())}


@cache
def old_model() -> tuple[Tensor, PrototypeHead]:
    return trained(world().old, seed=0)


def by_influence(vectors: Tensor) -> Tensor:
    return influence(vectors, old_model()[1].prototypes(), world().labels[TRAIN], scale=SCALE)


def by_default(vectors: Tensor) -> Tensor:
    return by_influence(vectors) + 5 * anchor(vectors, old_model()[0][TRAIN])


def test_an_independent_model_crosses_at_chance() -> None:
    old, free = old_model()[0], trained(world().new, seed=1)[0]
    assert judged(free, free)["map"] > judged(old, old)["map"] + 0.2, "the new camera is better"
    shuffled = free[torch.randperm(len(free), generator=torch.Generator().manual_seed(0))]
    chance = judged(shuffled, old)["map"]
    assert judged(free, old)["map"] < chance + 0.05
    assert judged(free, old)["recall@1"] < 0.1


def test_a_compatible_model_finds_more_in_the_old_gallery_than_the_old_one() -> None:
    old, head = old_model()
    before = head.weight.detach().clone()
    for pull in (by_influence, by_default):
        new = trained(world().new, seed=1, pull=pull)[0]
        for metric in ("recall@1", "map"):
            assert judged(new, old)[metric] > judged(old, old)[metric] + 0.02, (pull.__name__, metric)
    assert torch.equal(head.weight, before), "the old head has learned"
