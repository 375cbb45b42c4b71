"""The styles of the emoji set: the pinned packages of emoji.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from hetvs.datasets.npm import Package

STYLES_FILE = Path(__file__).with_name("emoji.toml")


@dataclass(frozen=True, kw_only=True)
class Style:
    """One way of drawing emoji, as listed in emoji.toml.

    `names` says what an icon is called by: "cldr" (the short names that most sets share) or
    "unicode" (the Unicode character name, squeezed).
    """

    style: str
    version: str
    sha256: str
    family: str
    licence: str
    author: str
    source: str
    names: str = "cldr"

    @property
    def package(self) -> Package:
        """The npm package that carries the drawings."""
        return Package(f"@iconify-json/{self.style}", self.version, self.sha256)


def read_styles() -> tuple[Style, ...]:
    """Return the pinned styles of emoji.toml, in its (alphabetical) order."""
    return tuple(Style(**entry) for entry in tomllib.loads(STYLES_FILE.read_text(encoding="utf-8"))["packages"])
