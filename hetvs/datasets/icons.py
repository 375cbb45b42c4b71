"""The icons set: drawings of many icon packages, to follow a teacher on (class = image, domain = package).

Without classes to learn, and without a test split: `hetvs train-student --extra`. Not committed and not
shipped: the drawings come from pinned packages and are rasterised here. Licences and authors: docs/ATTRIBUTION.md.
"""

from __future__ import annotations

import io
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hetvs.datasets.drawing import draw_missing
from hetvs.datasets.folder import DatasetCard, begin, complete, is_complete
from hetvs.datasets.icon_sets import IconSet, read_icon_set
from hetvs.datasets.npm import Package, fetch_packages
from hetvs.datasets.packages import cache_folder
from hetvs.files import write_text
from hetvs.manifest_table import table_text

BUILDER_VERSION = 2
PACKAGES_FILE = Path(__file__).with_name("icons.toml")
PROBE_PX = 32  # one size for all, so that the size of the images does not decide what is in the set
COLUMNS = ("id", "path", "label", "domain", "split")


@dataclass(frozen=True, kw_only=True)
class IconPackage:
    """One package of icons.toml; of its icons in name order, the first of each `every` is taken.

    `emoji` names those that are an emoji's very drawing: they are left out, because that may be a test image.
    """

    name: str
    version: str
    sha256: str
    licence: str
    author: str
    source: str
    every: int = 1
    emoji: tuple[str, ...] = ()

    @property
    def package(self) -> Package:
        """The npm package that carries the drawings."""
        return Package(f"@iconify-json/{self.name}", self.version, self.sha256)


@dataclass(frozen=True)
class Drawing:
    """One image to be: an icon of a package."""

    package: str
    icon: str

    @property
    def name(self) -> str:
        """The image's id, which is its label too."""
        return f"{self.package}/{self.icon}"


Track = Callable[[list[Sequence[Drawing]]], Iterable[Sequence[Drawing]]]


def fetch_icons(folder: Path, size_px: int, track: Track) -> bool:
    """Build the set in `folder` with RGBA images of `size_px` pixels; False when it was there already.

    Packages come from the cache or through npm. A killed build goes on where it was. `track` may wrap
    the chunks of drawings in a progress bar. Raises DatasetError (`fetch_packages`, `is_complete`).
    """
    return build_icons(folder, size_px, read_packages(), cache_folder() / "npm", track)


def build_icons(folder: Path, size_px: int, packages: Sequence[IconPackage], cache: Path, track: Track) -> bool:
    """Build the set from `packages`, which are in `cache` or are fetched into it."""
    card = DatasetCard(name="icons", builder_version=BUILDER_VERSION, size_px=size_px)
    if is_complete(folder, card):
        return False
    tarballs = fetch_packages([entry.package for entry in packages], cache)
    sets = {entry: read_icon_set(tarball) for entry, tarball in zip(packages, tarballs, strict=True)}
    begin(folder, card)
    wanted = drawings(sets)
    of_package = {entry.name: icons for entry, icons in sets.items()}

    def draw(drawing: Drawing) -> bytes:
        return of_package[drawing.package].png(drawing.icon, size_px)

    draw_missing(folder, wanted, image_path, draw, track)
    write_text(folder / "manifest.csv", table_text(COLUMNS, map(_row, wanted)))
    complete(folder, card)
    return True


def read_packages() -> tuple[IconPackage, ...]:
    """Return the pinned packages of icons.toml, in its (alphabetical) order."""
    entries = tomllib.loads(PACKAGES_FILE.read_text(encoding="utf-8"))["packages"]
    return tuple(IconPackage(**{**entry, "emoji": tuple(entry.get("emoji", ()))}) for entry in entries)


def drawings(sets: Mapping[IconPackage, IconSet]) -> list[Drawing]:
    """Return every drawing that is taken, by package, then by name; one that is blank at rest is left out."""
    return [
        Drawing(entry.name, icon)
        for entry, icons in sets.items()
        for icon in sorted(icons.icons)[:: entry.every]
        if icon not in entry.emoji and not is_blank(icons.png(icon, PROBE_PX))
    ]


def is_blank(png: bytes) -> bool:
    """Say whether no pixel of an RGBA image file is visible: an animation, for one, that starts from nothing."""
    with Image.open(io.BytesIO(png)) as image:
        return image.getchannel("A").getbbox() is None


def image_path(drawing: Drawing) -> str:
    """Return the image's path below the set's folder."""
    return f"images/{drawing.name}.png"


def _row(drawing: Drawing) -> tuple[str, ...]:
    """Return one row of the manifest: every image is its own class, and is learned from."""
    return drawing.name, image_path(drawing), drawing.name, drawing.package, "train"
