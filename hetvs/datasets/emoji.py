"""The emoji set: the same emoji drawn by six vendors in eleven styles (class = emoji, domain = vendor).

Not committed and not shipped: the drawings come from pinned packages and are rasterised here.
Licences and authors: docs/ATTRIBUTION.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hetvs.datasets.drawing import draw_missing
from hetvs.datasets.emoji_rules import Drawing, drawings, is_core, split_of
from hetvs.datasets.emoji_styles import Style, read_styles
from hetvs.datasets.folder import DatasetCard, begin, complete, is_complete
from hetvs.datasets.icon_sets import read_icon_set
from hetvs.datasets.npm import fetch_packages
from hetvs.datasets.packages import cache_folder
from hetvs.files import write_text
from hetvs.manifest_table import table_text

BUILDER_VERSION = 1
GALLERY_STYLE, GALLERY_FAMILY = "noto", "google"  # protocol A: google's catalogue, asked by the other vendors
COLUMNS = ("id", "path", "label", "domain", "style", "split", "is_query", "is_gallery", "core")
Track = Callable[[list[Sequence[Drawing]]], Iterable[Sequence[Drawing]]]


def fetch_emoji(folder: Path, size_px: int, track: Track) -> bool:
    """Build the set in `folder` with RGBA images of `size_px` pixels; False when it was there already.

    Packages come from the cache or through npm. A killed build goes on where it was. `track` may wrap
    the chunks of drawings in a progress bar. Raises DatasetError (`fetch_packages`, `is_complete`).
    """
    return build_emoji(folder, size_px, read_styles(), cache_folder() / "npm", track)


def build_emoji(folder: Path, size_px: int, styles: Sequence[Style], cache: Path, track: Track) -> bool:
    """Build the set from `styles`, whose packages are in `cache` or are fetched into it."""
    card = DatasetCard(name="emoji", builder_version=BUILDER_VERSION, size_px=size_px)
    if is_complete(folder, card):
        return False
    tarballs = fetch_packages([style.package for style in styles], cache)
    sets = {style: read_icon_set(tarball) for style, tarball in zip(styles, tarballs, strict=True)}
    begin(folder, card)
    wanted = drawings(sets)
    of_style = {style.style: icons for style, icons in sets.items()}

    def draw(drawing: Drawing) -> bytes:
        return of_style[drawing.style].png(drawing.icon, size_px)

    draw_missing(folder, wanted, image_path, draw, track)
    write_text(folder / "manifest.csv", manifest_text(wanted))
    complete(folder, card)
    return True


def image_path(drawing: Drawing) -> str:
    """Return the image's path below the set's folder."""
    return f"images/{drawing.style}/{drawing.code}.png"


def manifest_text(wanted: Sequence[Drawing]) -> str:
    """Return manifest.csv: one row per drawing; the flags are protocol A on the core of the test split."""
    return table_text(COLUMNS, map(_row, wanted))


def _row(drawing: Drawing) -> tuple[object, ...]:
    """Return one row of the manifest."""
    split, core = split_of(drawing.code), is_core(drawing.code)
    judged = core and split == "test"
    return (
        f"{drawing.style}/{drawing.code}",
        image_path(drawing),
        drawing.code,
        drawing.family,
        drawing.style,
        split,
        int(judged and drawing.family != GALLERY_FAMILY),
        int(judged and drawing.style == GALLERY_STYLE),
        int(core),
    )
