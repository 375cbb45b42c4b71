"""The kanji set: the 2,965 characters of JIS level 1 in eighteen typefaces (class = character, domain = typeface).

Not committed and not shipped: the fonts come from pinned Debian packages and are drawn here.
Licences and authors: docs/ATTRIBUTION.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hetvs.datasets.debian import fetch_packages
from hetvs.datasets.drawing import draw_missing
from hetvs.datasets.folder import DatasetCard, begin, complete, is_complete
from hetvs.datasets.fonts import (
    Face,
    FontPackage,
    LoadedFace,
    draw_character,
    load_faces,
    read_font_packages,
    require_fonttools,
)
from hetvs.datasets.packages import cache_folder
from hetvs.files import write_text
from hetvs.manifest_table import split_of, table_text

BUILDER_VERSION = 1
LEVEL_1_ROWS = range(16, 48)  # of the 94 x 94 table of JIS X 0208
GALLERY_GENRES = frozenset({"mincho"})
QUERY_GENRES = frozenset({"brush", "hand", "display", "kai"})  # gothic and pixel faces are nearly solved by HOG
COLUMNS = ("id", "path", "label", "domain", "style", "genre", "split", "is_query", "is_gallery")


@dataclass(frozen=True)
class Drawing:
    """One image to be: a character in a face."""

    face: Face
    character: str


def fetch_kanji(
    folder: Path, size_px: int, track: Callable[[list[Sequence[Drawing]]], Iterable[Sequence[Drawing]]]
) -> bool:
    """Build the set in `folder` with grey images of `size_px` pixels; False when it was there already.

    Packages come from the cache or through apt-get. A killed build goes on where it was. `track` may wrap
    the chunks of drawings in a progress bar. Raises DatasetError (`fetch_packages`, `load_faces`,
    `is_complete`), and where fontTools is missing.
    """
    return build_kanji(folder, size_px, read_font_packages(), cache_folder() / "debian", track)


def build_kanji(
    folder: Path,
    size_px: int,
    packages: Sequence[FontPackage],
    cache: Path,
    track: Callable[[list[Sequence[Drawing]]], Iterable[Sequence[Drawing]]],
) -> bool:
    """Build the set from `packages`, which are in `cache` or are fetched into it."""
    card = DatasetCard(name="kanji", builder_version=BUILDER_VERSION, size_px=size_px)
    if is_complete(folder, card):
        return False
    require_fonttools()
    debs = fetch_packages([entry.package for entry in packages], cache)
    characters = level_1()
    faces: dict[Face, LoadedFace] = {}
    for entry, deb in zip(packages, debs, strict=True):
        faces |= {loaded.face: loaded for loaded in load_faces(entry, deb, characters, size_px)}
    begin(folder, card)
    wanted = [Drawing(face, char) for face, loaded in faces.items() for char in characters if char in loaded.drawn]

    def draw(drawing: Drawing) -> bytes:
        return draw_character(faces[drawing.face].font, drawing.character, size_px)

    draw_missing(folder, wanted, image_path, draw, track)
    write_text(folder / "manifest.csv", table_text(COLUMNS, map(_row, wanted)))
    complete(folder, card)
    return True


def level_1() -> tuple[str, ...]:
    """Return the kanji of JIS level 1, in the order of the standard.

    >>> len(level_1()), level_1()[0], level_1()[-1]
    (2965, '亜', '腕')
    """
    cells = [bytes((row + 0xA0, column + 0xA0)) for row in LEVEL_1_ROWS for column in range(1, 95)]
    return tuple(char for char in (cell.decode("euc_jp", errors="ignore") for cell in cells) if char)


def image_path(drawing: Drawing) -> str:
    """Return the image's path below the set's folder."""
    return f"images/{_name(drawing)}.png"


def _name(drawing: Drawing) -> str:
    """Return the image's id: the style and the code point."""
    return f"{drawing.face.style}/{ord(drawing.character):x}"


def _row(drawing: Drawing) -> tuple[object, ...]:
    """Return one row of the manifest: mincho is the gallery of the test split; brush, hand, display and kai ask."""
    face, split = drawing.face, split_of(f"kanji-xf/{drawing.character}")
    judged = split == "test"
    return (
        _name(drawing),
        image_path(drawing),
        drawing.character,
        face.family,
        face.style,
        face.genre,
        split,
        int(judged and face.genre in QUERY_GENRES),
        int(judged and face.genre in GALLERY_GENRES),
    )
