"""Icon sets as their packages carry them: one JSON of SVG bodies, renames, and code points where known."""

from __future__ import annotations

import json
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hetvs.datasets.npm import Package
from hetvs.errors import DatasetError

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


@dataclass(frozen=True)
class IconSet:
    """The drawings of one style.

    `renames` maps another name to an icon (flipped and turned aliases are other drawings: left out);
    `chars` maps code points (lower-case hex joined by "-") to a name, empty where the set has none.
    """

    style: Style
    icons: Mapping[str, Mapping[str, Any]]
    renames: Mapping[str, str]
    chars: Mapping[str, str]
    view: Mapping[str, float]

    def svg(self, icon: str, size_px: int) -> str:
        """Return one drawing as a square SVG document; one that is not square is centred by the renderer."""
        drawing = {**self.view, **self.icons[icon]}
        left, top, width, height = (drawing[key] for key in ("left", "top", "width", "height"))
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{size_px}" height="{size_px}" viewBox="{left} {top} {width} {height}">{drawing["body"]}</svg>'
        )


def read_styles() -> tuple[Style, ...]:
    """Return the pinned styles of emoji.toml, in its (alphabetical) order."""
    return tuple(Style(**entry) for entry in tomllib.loads(STYLES_FILE.read_text(encoding="utf-8"))["packages"])


def read_icon_set(style: Style, tarball: Path) -> IconSet:
    """Read one package; DatasetError when it is not a tarball of an icon set."""
    try:
        with tarfile.open(tarball) as package:
            icons, chars = (json.load(_member(package, name)) for name in ("icons.json", "chars.json"))
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise DatasetError(f"{tarball}: not a package of icons: {error}; delete it and fetch again") from error
    return IconSet(
        style=style,
        icons=icons["icons"],
        renames={name: a["parent"] for name, a in icons.get("aliases", {}).items() if a.keys() == {"parent"}},
        chars=chars,
        view={"left": 0, "top": 0, "width": 16, "height": 16} | {k: icons[k] for k in VIEW_KEYS & icons.keys()},
    )


VIEW_KEYS = frozenset({"left", "top", "width", "height"})


def _member(package: tarfile.TarFile, name: str) -> Any:
    """Open one file of an npm tarball."""
    return package.extractfile(f"package/{name}")
