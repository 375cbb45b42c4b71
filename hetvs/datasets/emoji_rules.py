"""Which drawings are the same emoji, which emoji count, and on which side of the split they are.

A class is written as its code points: lower-case hex joined by "-", without the variation selector fe0f.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hetvs.datasets.emoji_styles import Style
from hetvs.datasets.icon_sets import IconSet
from hetvs.manifest_table import split_of as split_of_class

MIN_FAMILIES = 4
JOINER, KEYCAP = 0x200D, 0x20E3
SKIN_TONES = frozenset(range(0x1F3FB, 0x1F400))
FLAG_LETTERS = frozenset({*range(0x1F1E6, 0x1F200), *range(0xE0020, 0xE0080)})  # regional indicators and tags
PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0x110000))
GENDER_SIGNS = frozenset({0x2640, 0x2642})
MAN, WOMAN, ADULT = 0x1F468, 0x1F469, 0x1F9D1
PEOPLE = frozenset({MAN, WOMAN, ADULT, 0x1F466, 0x1F467, 0x1F474, 0x1F475, 0x1F476, 0x1F9D2, 0x1F9D3})
FACING_RIGHT = 0x27A1
CLOCKS = frozenset(range(0x1F550, 0x1F568))
MOON_PHASES = frozenset(range(0x1F311, 0x1F319))


@dataclass(frozen=True)
class Drawing:
    """One image to be: the icon of a style that shows the class `code`."""

    style: str
    family: str
    code: str
    icon: str


def drawings(sets: Mapping[Style, IconSet]) -> list[Drawing]:
    """Return every drawing of every class that at least four families draw, by style, then by code.

    Within a style a drawing belongs to one class. Names are taken from the sets that know code points,
    then from the renames of all sets, in the order of `sets`; the first one wins.
    """
    codes = _codes_of_names(list(sets.values()))
    found = [
        Drawing(style.style, style.family, code, icon)
        for style, icons in sets.items()
        for code, icon in sorted(_classes_of(style, icons, codes).items())
        if not is_dropped(code)
    ]
    families: dict[str, set[str]] = defaultdict(set)
    for drawing in found:
        families[drawing.code].add(drawing.family)
    return [drawing for drawing in found if len(families[drawing.code]) >= MIN_FAMILIES]


def without_selector(code: str) -> str:
    """Return code points without fe0f, which says only "draw it in colour".

    >>> without_selector("1F3F3-FE0F-200D-1F308")
    '1f3f3-200d-1f308'
    """
    return "-".join(point for point in code.lower().split("-") if point != "fe0f")


def is_dropped(code: str) -> bool:
    """Say whether a class is left out: skin tones, flags of letters, private use, plain text signs.

    >>> [is_dropped(code) for code in ("1f44d-1f3fb", "1f1e9-1f1ea", "e0a1", "a9", "1f600")]
    [True, True, True, True, False]
    """
    points = _points(code)
    private = any(point in block for block in PRIVATE_USE for point in points)
    plain_text = len(points) == 1 and points[0] < 0x2000
    return private or plain_text or not (SKIN_TONES | FLAG_LETTERS).isdisjoint(points)


def is_core(code: str) -> bool:
    """Say whether a class has no twin: the headline numbers are over these.

    Left out: men and women beside the neutral person, families and couples, "facing right", clocks.

    >>> [is_core(code) for code in ("1f9d1-200d-1f680", "1f469-200d-1f680", "1f550", "1f468")]
    [True, False, False, True]
    """
    points = _points(code)
    gendered = bool(GENDER_SIGNS & set(points)) or (points[0] in (MAN, WOMAN) and JOINER in points)
    several = sum(point in PEOPLE for point in points) >= 2
    clock = len(points) == 1 and points[0] in CLOCKS
    return not (gendered or several or clock or FACING_RIGHT in points)


def split_group(code: str) -> str:
    """Return what a class shares with its look-alikes, so that a split keeps them on one side.

    >>> split_group("1f469-200d-1f680") == split_group("1f9d1-200d-1f680") == "1f680"
    True
    """
    points = _points(code)
    if points[-1] == KEYCAP:
        return "keycap"
    if len(points) == 1 and points[0] in CLOCKS:
        return "clock"
    if len(points) == 1 and points[0] in MOON_PHASES:
        return "moon"
    return "-".join(_code(p) for p in points if p not in {JOINER, MAN, WOMAN, ADULT} | GENDER_SIGNS)


def split_of(code: str) -> str:
    """Return train, val or test, by the hash of the group."""
    return split_of_class(f"emoji-xv/{split_group(code)}")


def _points(code: str) -> list[int]:
    """Return the code points of a class as numbers."""
    return [int(point, 16) for point in code.split("-")]


def _code(point: int) -> str:
    """Return one code point as it is written in a class."""
    return f"{point:x}"


def _codes_of_names(sets: Sequence[IconSet]) -> dict[str, str]:
    """Return the class that each name means."""
    codes: dict[str, str] = {}
    for icons in sets:
        for code, name in icons.chars.items():
            codes.setdefault(name, without_selector(code))
    for icons in sets:
        for name, parent in icons.renames.items():
            if parent in codes:
                codes.setdefault(name, codes[parent])
    return codes


def _classes_of(style: Style, icons: IconSet, codes: Mapping[str, str]) -> dict[str, str]:
    """Return class -> icon for one set: by its own code points, then by name, then by another name.

    An icon takes part in the later steps only while it has no class, so that no drawing stands for two.
    """
    if style.names == "unicode":
        return _classes_by_squeezed_name(icons, codes)
    found: dict[str, str] = {}
    for code, name in icons.chars.items():
        if name in icons.icons:
            found.setdefault(without_selector(code), name)
    placed = set(found.values())
    for name in icons.icons:
        if name in codes and name not in placed:
            found.setdefault(codes[name], name)
    for name, parent in icons.renames.items():
        if name in codes and parent not in codes:
            found.setdefault(codes[name], parent)
    return found


def _classes_by_squeezed_name(icons: IconSet, codes: Mapping[str, str]) -> dict[str, str]:
    """Return class -> icon where a squeezed icon name is that of a class or of a Unicode character."""
    squeezed = {_squeeze(unicodedata.name(chr(p), "")): _code(p) for p in reversed(range(0x2000, 0x20000))}
    squeezed |= {_squeeze(name): code for name, code in reversed(list(codes.items()))}
    found: dict[str, str] = {}
    for icon in sorted(icons.icons):
        if _squeeze(icon) in squeezed:
            found.setdefault(squeezed[_squeeze(icon)], icon)
    return found


def _squeeze(name: str) -> str:
    """Keep letters and digits: "Clock Face One-Thirty" -> "clockfaceonethirty"."""
    return re.sub("[^a-z0-9]", "", name.lower())
