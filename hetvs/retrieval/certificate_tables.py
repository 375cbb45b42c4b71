"""Certificates and the cascade as tables and sentences."""

from __future__ import annotations

from hetvs.retrieval.certificate_judge import Certificate
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.words import percent

HEADER = ["query model", "certified", "queries", "by score gaps alone", "of them answered otherwise"]
NOTE = (
    "Certified: no vector within the bound of the query's orders the gallery otherwise. The bound holds for all but a "
    "share alpha of exchangeable queries, all of them, not among the certified alone: a calibrated promise, no proof."
)


def lines(found: Certificate) -> list[list[str]]:
    """Return one row per kind of certificate as printed."""
    names = {"top_1": "top-1", "top_k_set": f"top-{found.k} set", "top_k_order": f"top-{found.k} order"}
    return [[found.query, names[c.kind], *map(percent, (c.share, c.share_by_gap, c.disagreement))] for c in found.kinds]


def cascade_header(found: Certificate) -> list[str]:
    """Return the head of the cascade curve: the shares of escalated queries."""
    return ["query model", *(f"{100 * point.escalated:.0f} %" for point in found.cascade)]


def cascade_line(found: Certificate) -> list[str]:
    """Return recall@1 of the cascade as printed."""
    return [found.query, *(percent(Estimate(point.recall_at_1.value)) for point in found.cascade)]


def sentence(found: Certificate) -> str:
    """Say what the bound is, what it certifies, and what the edge can answer alone."""
    if found.eps is None:
        bound = f"{found.held_out} val images are too few for alpha {found.alpha:g}: nothing is certified"
    else:
        bound = (
            f"within {found.eps:.3f} of {found.gallery} for {100 * (1 - found.alpha):g} % of queries "
            f"({found.held_out:,} val images), {percent(found.kinds[0].share)} % have a certain first answer"
        )
    return (
        f"{found.query}: {bound}; {_trusted(found)}; {percent(found.edge_alone)} % need no escalation for recall@1 "
        "within 0.5 points of the paragon."
    )


def _trusted(found: Certificate) -> str:
    """Say how many first answers can be trusted, and how many of them are not the gallery model's."""
    if found.trusted.margin is None:
        return f"no margin of val queries keeps alpha {found.alpha:g}, so no answer is trusted"
    return (
        f"{percent(found.trusted.share)} % have a margin above {found.trusted.margin:.3f}, which is trusted (at most "
        f"{100 * found.alpha:g} % of their first answers differ, on val queries in this gallery), and of these "
        f"{percent(found.trusted.disagreement)} % differ"
    )
