"""One training term per function, with its paper; `LOSSES` says of each whether it is anchored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hetvs.errors import ConfigError


@dataclass(frozen=True)
class Term:
    """What the trainer and the reader must know of a training term.

    `anchored`: the term has its minimum in the reference space itself, not in a rotation of it.
    """

    anchored: bool
    needs_labels: bool
    paper: str


LOSSES: dict[str, Term] = {
    "anchor": Term(anchored=True, needs_labels=False, paper="arXiv 1412.6550"),
    "context": Term(anchored=True, needs_labels=False, paper="CSD, CVPR 2022"),
    "influence": Term(anchored=True, needs_labels=True, paper="arXiv 2003.11942"),
    "relational": Term(anchored=False, needs_labels=False, paper="RAML, WACV 2023"),
}


def require_anchored(weights: Mapping[str, float]) -> None:
    """Raise ConfigError unless a term that is anchored has a weight above zero.

    Relation-only distillation gives chance-level cross-model retrieval; the trainer refuses it.
    """
    if not any(weight > 0 and LOSSES[name].anchored for name, weight in weights.items()):
        active = ", ".join(name for name, weight in weights.items() if weight > 0) or "no term at all"
        raise ConfigError(
            f"nothing ties the student to the teacher's space: {active} is not anchored; "
            f"give {' or '.join(name for name, term in LOSSES.items() if term.anchored)} a weight above 0"
        )
