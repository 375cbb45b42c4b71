"""The named data sets: what each is, and the function that builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hetvs.datasets.emoji import fetch_emoji
from hetvs.datasets.icons import read_styles


@dataclass(frozen=True, kw_only=True)
class NamedDataset:
    """What `hetvs data list` shows; `fetch(folder, size_px, track)` is False when all is there already."""

    description: str
    classes: int
    images: int
    licences: tuple[str, ...]
    fetched_mb: int
    fetch: Callable[..., bool]


DATASETS = {
    "emoji": NamedDataset(
        description="the same emoji drawn by six vendors in eleven styles: instance retrieval across domains",
        classes=1618,
        images=14607,
        licences=tuple(sorted({style.licence for style in read_styles()})),
        fetched_mb=31,
        fetch=fetch_emoji,
    ),
}
