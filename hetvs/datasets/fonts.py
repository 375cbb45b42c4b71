"""Typefaces as their packages carry them: which characters a face draws, and how one looks."""

from __future__ import annotations

import importlib.util
import io
import logging
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from hetvs.datasets.debian import Package, read_files
from hetvs.errors import DatasetError

FACES_FILE = Path(__file__).with_name("kanji.toml")
EM = 7 / 8  # side of the em square as a share of the image's: the widest brush strokes keep off the edge


@dataclass(frozen=True, kw_only=True)
class Face:
    """One typeface: a file of a package; `family` is the domain, `genre` how it is drawn (mincho, brush, ...)."""

    style: str
    file: str
    family: str
    genre: str


@dataclass(frozen=True, kw_only=True)
class FontPackage:
    """One Debian package, as listed in kanji.toml; licence, author and source are those of its fonts."""

    package: Package
    faces: tuple[Face, ...]
    licence: str
    author: str
    source: str


@dataclass(frozen=True)
class LoadedFace:
    """A face that is ready to draw the characters `drawn`."""

    face: Face
    font: ImageFont.FreeTypeFont
    drawn: frozenset[str]


def read_font_packages() -> tuple[FontPackage, ...]:
    """Return the pinned packages of kanji.toml, in its (alphabetical) order."""
    entries = tomllib.loads(FACES_FILE.read_text(encoding="utf-8"))["packages"]
    return tuple(
        FontPackage(
            package=Package(entry["name"], entry["version"], entry["sha256"]),
            faces=tuple(Face(**face) for face in entry["faces"]),
            licence=entry["licence"],
            author=entry["author"],
            source=entry["source"],
        )
        for entry in entries
    )


def require_fonttools() -> None:
    """Raise DatasetError, with the line that installs it, where fontTools is missing."""
    if importlib.util.find_spec("fontTools") is None:
        raise DatasetError("fontTools is not installed; run `pip install 'hetvs[kanji]'` and try again")


def load_faces(package: FontPackage, deb: Path, characters: Sequence[str], size_px: int) -> list[LoadedFace]:
    """Open the faces of one package, to draw in images of `size_px` pixels. Raises DatasetError (`read_files`)."""
    files = read_files(deb, [face.file for face in package.faces])
    loaded = []
    for face in package.faces:
        data = files[face.file]
        try:
            # Pillow's own layout: the other one is not in every build, and may move what it draws.
            font = ImageFont.truetype(io.BytesIO(data), round(size_px * EM), layout_engine=ImageFont.Layout.BASIC)
            loaded.append(LoadedFace(face, font, drawn_characters(data, characters)))
        except (OSError, KeyError, ValueError) as error:
            raise DatasetError(f"{deb}: {face.file}: not a font: {error}; delete it and fetch again") from error
    return loaded


def drawn_characters(data: bytes, characters: Sequence[str]) -> frozenset[str]:
    """Return which of `characters` a TrueType font (of a collection: its first) has an outline for.

    A character without a glyph would be drawn as a box, one with an empty glyph as nothing.
    """
    from fontTools.ttLib import TTFont

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of odd dates in old fonts
    with TTFont(io.BytesIO(data), fontNumber=0, lazy=True) as font:
        glyphs, starts = font.getBestCmap(), font["loca"]  # where each outline starts; an empty one is 0 bytes long
        numbers = {char: font.getGlyphID(glyphs[ord(char)]) for char in characters if ord(char) in glyphs}
        return frozenset(char for char, number in numbers.items() if starts[number] != starts[number + 1])


def draw_character(font: ImageFont.FreeTypeFont, character: str, size_px: int) -> bytes:
    """Return a PNG of one character: black ink, centred by its own box on a clear square."""
    canvas = Image.new("L", (2 * size_px, 2 * size_px))
    ImageDraw.Draw(canvas).text((size_px, size_px), character, fill=255, font=font, anchor="mm")
    left, top, right, bottom = canvas.getbbox() or (0, 0, 0, 0)
    x, y = (left + right - size_px) // 2, (top + bottom - size_px) // 2
    ink = canvas.crop((x, y, x + size_px, y + size_px))
    stream = io.BytesIO()
    Image.merge("LA", (Image.new("L", ink.size), ink)).save(stream, "png")
    return stream.getvalue()
