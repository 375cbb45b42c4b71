"""Prefixes as a table: one row per query model and length."""

from __future__ import annotations

from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.prefix_judge import Prefix
from hetvs.retrieval.words import RULE_METRIC, percent

HEADER = ["query model", "components", "space", "M(q,g)", "lost", "M(g,g)", "lost"]
NOTE = (
    "Both sides keep their first components, normalised again; lost: against whole vectors, on the same queries. "
    "Every length is a space of its own, and two of them are never compared."
)


def line(found: Prefix) -> list[str]:
    """Return one row as printed, on mAP."""
    values = (found.q_g, found.q_g_loss, found.g_g, found.g_g_loss)
    numbers: list[Estimate] = [value[RULE_METRIC] for value in values]
    return [found.query, str(found.dim), found.space_id, *map(percent, numbers)]
