"""The named data sets: what each is, and the function that builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hetvs.datasets.emoji import fetch_emoji
from hetvs.datasets.emoji_styles import read_styles
from hetvs.datasets.fashion_mnist import CLASSES, SIZE_PX, fetch_fashion_mnist
from hetvs.datasets.fonts import read_font_packages
from hetvs.datasets.icons import fetch_icons, read_packages
from hetvs.datasets.kanji import fetch_kanji


@dataclass(frozen=True, kw_only=True)
class NamedDataset:
    """What `hetvs data list` shows; `fetch(folder, size_px, track)` is False when all is there already.

    `size_px` is the side of the images where the user asks for none. `next_command` is what the set
    is for, `{folder}` standing for where it was put. A closed set is for classifiers: its test classes are trained on.
    """

    description: str
    classes: int
    images: int
    licences: tuple[str, ...]
    fetched_mb: int
    size_px: int
    fetch: Callable[..., bool]
    closed_set: bool = False
    next_command: str = "train-teacher {folder} -o runs/cloud"


DATASETS = {
    "emoji": NamedDataset(
        description="the same emoji drawn by six vendors in eleven styles: instance retrieval across domains",
        classes=1618,
        images=14607,
        licences=tuple(sorted({style.licence for style in read_styles()})),
        fetched_mb=31,
        size_px=64,
        fetch=fetch_emoji,
    ),
    "kanji": NamedDataset(
        description="2,965 characters in eighteen typefaces, print to brush: instance retrieval across domains",
        classes=2965,
        images=53240,
        licences=tuple(sorted({package.licence for package in read_font_packages()})),
        fetched_mb=87,
        size_px=48,
        fetch=fetch_kanji,
    ),
    "icons": NamedDataset(
        description="icons of seventeen packages, each its own class: pictures to follow a teacher on (--extra)",
        classes=11458,
        images=11458,
        licences=tuple(sorted({package.licence for package in read_packages()})),
        fetched_mb=10,
        size_px=64,
        fetch=fetch_icons,
        next_command="train-student DATA --teacher runs/cloud -o runs/edge --extra {folder}",
    ),
    "fashion-mnist": NamedDataset(
        description="clothes of ten kinds, each in every split: a closed set, for classifiers, not for retrieval",
        classes=len(CLASSES),
        images=70000,
        licences=("MIT",),
        fetched_mb=31,
        size_px=SIZE_PX,
        fetch=fetch_fashion_mnist,
        closed_set=True,
        next_command="train-classifier {folder} -o runs/v1",
    ),
}
