"""One training term per function, with its paper; `LOSSES` is what the trainer and the reader know of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from hetvs.errors import ConfigError
from hetvs.losses.anchor import anchor
from hetvs.losses.anchor_squared import anchor_squared
from hetvs.losses.batch import Batch
from hetvs.losses.context import context
from hetvs.losses.contrastive import contrastive
from hetvs.losses.cross_similarity import cross_similarity
from hetvs.losses.csd import csd
from hetvs.losses.influence import influence
from hetvs.losses.lce import lce
from hetvs.losses.prefixes import prefixes
from hetvs.losses.ract import ract
from hetvs.losses.rank_difference import rank_difference
from hetvs.losses.relational import relational
from hetvs.losses.soft_influence import soft_influence


@dataclass(frozen=True, kw_only=True)
class Term:
    """A training term: its function on what a step shows and the settings of its stage, and what must be known of it.

    `anchored`: the term has its minimum in the reference space itself, not in a rotation of it. `whole`: it holds
    every component there.
    `needs_queue`: it starts when the queue of teacher vectors is full. `teacher`: what it needs of
    the teacher while the student trains, vectors of the views (live or cached), prototypes, or both.
    """

    loss: Callable[[Batch, Any], Tensor]
    anchored: bool = True
    whole: bool = True
    needs_labels: bool = False
    needs_queue: bool = False
    teacher: Literal["vectors", "prototypes", "both"] = "vectors"
    paper: str


LOSSES: dict[str, Term] = {  # in the order in which they are summed and shown
    "anchor": Term(
        loss=lambda b, s: anchor(*b.pair, b.weights_B),
        paper="FitNets, arXiv 1412.6550, on the sphere",
    ),
    "context": Term(
        loss=lambda b, s: context(*b.pair, *b.keys, b.weights_B, temperature=s.temperature),
        needs_queue=True,
        paper="CSD, CVPR 2022, over a queue",
    ),
    "influence": Term(
        loss=lambda b, s: influence(b.query_BD, b.prototypes_CD, b.labels_B, scale=b.scale),
        needs_labels=True,
        teacher="prototypes",
        paper="BCT, arXiv 2003.11942, second term",
    ),
    "anchor_squared": Term(
        loss=lambda b, s: anchor_squared(*b.pair),
        paper="RAML, WACV 2023, absolute term",
    ),
    "csd": Term(
        loss=lambda b, s: csd(*b.pair, *b.keys, neighbours=s.csd_neighbours, temperature=s.temperature),
        needs_queue=True,
        paper="CSD, CVPR 2022",
    ),
    "rank_difference": Term(
        loss=lambda b, s: rank_difference(*b.pair, *b.keys, neighbours=s.rank_neighbours),
        needs_queue=True,
        paper="D3still, CVPR 2024, batch-free",
    ),
    "cross_similarity": Term(
        loss=lambda b, s: cross_similarity(*b.pair),
        paper="RAML, WACV 2023, l1",
    ),
    "contrastive": Term(
        loss=lambda b, s: contrastive(*b.pair, *b.classes, b.same_image, margin=s.push_margin, hardest=s.hardest),
        needs_labels=True,
        needs_queue=True,
        paper="AML, arXiv 2006.16331, with a bank",
    ),
    "ract": Term(
        loss=lambda b, s: ract(*b.pair, *b.classes, temperature=s.ract_temperature, hardest=s.hardest),
        needs_labels=True,
        needs_queue=True,
        paper="RACT (hot-refresh), ICLR 2022",
    ),
    "relational": Term(
        loss=lambda b, s: relational(*b.pair),
        anchored=False,
        paper="RAML, WACV 2023, l2",
    ),
    "prefixes": Term(
        loss=lambda b, s: prefixes(*b.pair, s.prefix_dims),
        whole=False,
        paper="MRL, arXiv 2205.13147, in a rotated space",
    ),
    "soft_influence": Term(
        loss=lambda b, s: soft_influence(*b.pair, b.prototypes_CD, b.labels_B, scale=b.scale),
        needs_labels=True,
        teacher="both",
        paper="BCT, with LwF's answer for unseen classes",
    ),
    "lce": Term(
        loss=lambda b, s: lce(b.query_BD, *b.own_head, b.labels_B, centre_weight=s.lce_centres),
        needs_labels=True,
        teacher="prototypes",
        paper="LCE, ICCV 2021",
    ),
}


def require_anchored(weights: Mapping[str, float]) -> None:
    """Raise ConfigError unless a term that is anchored, and holds the whole vector, has a weight above zero.

    Relation-only distillation gives chance-level cross-model retrieval; the trainer refuses it.
    """
    holding = {name for name, term in LOSSES.items() if term.anchored and term.whole}
    if not any(weight > 0 and name in holding for name, weight in weights.items()):
        named = [name for name, weight in weights.items() if weight > 0]
        active = ", ".join(named) or "no term at all"
        partly = "" if all(LOSSES[name].whole for name in named) else " as a whole"
        anchored = ", ".join(name for name in LOSSES if name in holding)
        raise ConfigError(
            f"nothing ties the student to the teacher's space: {active} is not anchored{partly}; "
            f"give one of {anchored} a weight above 0"
        )
