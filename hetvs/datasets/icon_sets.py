"""Icon sets as their packages carry them: one JSON of SVG bodies, renames, and code points where known."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hetvs.errors import DatasetError


@dataclass(frozen=True)
class IconSet:
    """The drawings of one package.

    `renames` maps another name to an icon (flipped and turned aliases are other drawings: left out);
    `chars` maps code points (lower-case hex joined by "-") to a name, empty where the set has none.
    """

    icons: Mapping[str, Mapping[str, Any]]
    renames: Mapping[str, str]
    chars: Mapping[str, str]
    view: Mapping[str, float]

    def png(self, icon: str, size_px: int) -> bytes:
        """Return one drawing as a square RGBA PNG file; animations are at rest, and no font of the system is used."""
        import resvg_py

        svg = self.svg(icon, size_px)
        return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size_px, height=size_px, skip_system_fonts=True))

    def svg(self, icon: str, size_px: int) -> str:
        """Return one drawing as a square SVG document; one that is not square is centred by the renderer."""
        drawing = {**self.view, **self.icons[icon]}
        left, top, width, height = (drawing[key] for key in ("left", "top", "width", "height"))
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{size_px}" height="{size_px}" viewBox="{left} {top} {width} {height}">{drawing["body"]}</svg>'
        )


def read_icon_set(tarball: Path) -> IconSet:
    """Read one package; DatasetError when it is not a tarball of an icon set."""
    try:
        with tarfile.open(tarball) as package:
            icons, chars = (json.load(_member(package, name)) for name in ("icons.json", "chars.json"))
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise DatasetError(f"{tarball}: not a package of icons: {error}; delete it and fetch again") from error
    return IconSet(
        icons=icons["icons"],
        renames={name: a["parent"] for name, a in icons.get("aliases", {}).items() if a.keys() == {"parent"}},
        chars=chars,
        view={"left": 0, "top": 0, "width": 16, "height": 16} | {k: icons[k] for k in VIEW_KEYS & icons.keys()},
    )


VIEW_KEYS = frozenset({"left", "top", "width", "height"})


def _member(package: tarfile.TarFile, name: str) -> Any:
    """Open one file of an npm tarball."""
    return package.extractfile(f"package/{name}")
