"""Negative flips as pictures: what was asked, what was found before, what is found now; one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hetvs.retrieval.comparison import Comparison
from hetvs.retrieval.page import Picture, rendered


@dataclass(frozen=True)
class Answer:
    """One answer: an image of the gallery, or a class, which has no picture; and its score."""

    picture: Picture
    score: float


@dataclass(frozen=True)
class FlippedQuery:
    """A query that was answered right, and what the two systems answer, best first."""

    query: Picture
    before: tuple[Answer, ...]
    after: tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class FlipPage:
    """What the page shows of a comparison: `flipped` are all negative flips, or the first of them.

    `setup` says in one sentence what was judged, `command` how to repeat it.
    """

    comparison: Comparison
    setup: str
    score: str
    flipped: Sequence[FlippedQuery]
    command: str = ""


def render_flips(page: FlipPage) -> str:
    """Return the page as HTML; it holds its pictures and needs no network."""
    return rendered("flips.html.j2", page=page, comparison=page.comparison, total=len(page.comparison.flips.negative))


def first(ids: Sequence[str], limit: int) -> Sequence[str]:
    """Return the flips that are shown; `limit` 0 takes all.

    >>> first(["a", "b", "c"], 2), first(["a", "b"], 0)
    (['a', 'b'], ['a', 'b'])
    """
    return ids[: limit or len(ids)]
