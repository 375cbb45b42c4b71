"""The icons set: what is taken of a package, and its manifest; the real one is marked slow."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hetvs.datasets import icons
from hetvs.datasets.emoji_styles import read_styles
from hetvs.datasets.icons import IconPackage, read_packages
from hetvs.datasets.registry import DATASETS
from hetvs.errors import DatasetError
from hetvs.files import digest_file
from hetvs.manifest import read_manifest, summary
from hetvs.manifest_check import faults
from hetvs.manifest_join import with_unlabelled


def ink(colour: str, opacity: int = 1) -> dict[str, object]:
    return {"body": f'<path fill="{colour}" opacity="{opacity}" d="M0 0h16v8H0z"/>'}  # the upper half of 16 x 16


BOOK, MOON = ink("red"), {**ink("lime"), "height": 8}
RISING = ink("black", opacity=0)  # what an animation that fades in is at rest
FAKE_PACKAGES = {
    "alpha": ({"moon": MOON, "book": BOOK, "rising": RISING}, 1),
    "beta": (dict.fromkeys(("e", "d", "c", "b", "a"), BOOK), 2),
}


def write_package(name: str, drawn: dict[str, dict[str, object]], every: int, folder: Path) -> IconPackage:
    """Write one tarball as npm packs it and return the entry that pins it."""
    entry = IconPackage(name=name, version="1.0.0", sha256="", licence="MIT", author="", source="", every=every)
    files = {"icons.json": {"width": 16, "height": 16, "icons": drawn}, "chars.json": {}}
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / entry.package.file_name, "w:gz") as package:
        for file, value in files.items():
            data = json.dumps(value).encode()
            member = tarfile.TarInfo(f"package/{file}")
            member.size = len(data)
            package.addfile(member, io.BytesIO(data))
    return replace(entry, sha256=digest_file(folder / entry.package.file_name))


@pytest.fixture
def fakes(tmp_path: Path) -> tuple[list[IconPackage], Path]:
    """Two tiny packages, and the cache that holds them."""
    cache = tmp_path / "cache"
    return [write_package(name, drawn, every, cache) for name, (drawn, every) in FAKE_PACKAGES.items()], cache


def untracked(chunks: list[Sequence[icons.Drawing]]) -> list[Sequence[icons.Drawing]]:
    return chunks


def test_what_is_taken_is_in_name_order_and_not_blank(fakes: tuple[list[IconPackage], Path], tmp_path: Path) -> None:
    assert icons.build_icons(tmp_path / "set", 16, *fakes, untracked)
    manifest = read_manifest(tmp_path / "set")
    assert manifest.ids.tolist() == ["alpha/book", "alpha/moon", "beta/a", "beta/c", "beta/e"]
    assert manifest.labels.tolist() == manifest.ids.tolist()
    assert manifest.domains.tolist() == ["alpha", "alpha", "beta", "beta", "beta"]
    assert set(manifest.splits.tolist()) == {"train"}
    assert faults(tmp_path / "set") == []


def test_a_drawing_that_is_an_emoji_is_left_out(fakes: tuple[list[IconPackage], Path], tmp_path: Path) -> None:
    (alpha, beta), cache = fakes
    icons.build_icons(tmp_path / "set", 16, [alpha, replace(beta, emoji=("c",))], cache, untracked)
    assert read_manifest(tmp_path / "set").ids.tolist() == ["alpha/book", "alpha/moon", "beta/a", "beta/e"]


def test_a_drawing_is_centred_on_a_clear_square(fakes: tuple[list[IconPackage], Path], tmp_path: Path) -> None:
    icons.build_icons(tmp_path / "set", 32, *fakes, untracked)
    with Image.open(tmp_path / "set" / "images" / "alpha" / "moon.png") as image:  # 16 x 8
        assert (image.mode, image.size) == ("RGBA", (32, 32))
        assert [image.getpixel((16, y)) for y in (4, 16, 27)] == [(0, 0, 0, 0), (0, 255, 0, 255), (0, 0, 0, 0)]


def test_a_second_build_verifies_and_a_set_of_another_name_is_refused(
    fakes: tuple[list[IconPackage], Path], tmp_path: Path
) -> None:
    icons.build_icons(tmp_path / "set", 16, *fakes, untracked)
    assert not icons.build_icons(tmp_path / "set", 16, fakes[0], tmp_path / "no-cache", untracked)
    with pytest.raises(DatasetError, match="holds icons of builder 2, not emoji"):
        DATASETS["emoji"].fetch(tmp_path / "set", 16, untracked)


def test_a_student_learns_from_every_image_and_from_no_label(
    fakes: tuple[list[IconPackage], Path], tmp_path: Path
) -> None:
    icons.build_icons(tmp_path / "set", 16, *fakes, untracked)
    manifest = read_manifest(tmp_path / "set")
    joined = with_unlabelled(manifest, manifest)
    assert joined.labels[np.char.startswith(joined.ids, "extra:")].tolist() == [""] * 5
    assert len(joined.rows("train", "label=")) == 5


def test_every_package_is_pinned_and_attributed() -> None:
    page = (Path(__file__).parents[1] / "docs" / "ATTRIBUTION.md").read_text()
    packages = read_packages()
    assert len(packages) == 17
    assert [entry.name for entry in packages] == sorted(entry.name for entry in packages)
    for entry in packages:
        assert len(entry.sha256) == 64
        row = (
            f"| `@iconify-json/{entry.name}` | {entry.version} | {entry.licence} | {entry.author} | <{entry.source}> |"
        )
        assert row in page


def test_no_package_is_one_of_the_emoji_set() -> None:
    names = {entry.name for entry in read_packages()}
    assert names.isdisjoint(style.style for style in read_styles())
    assert not [name for name in names if "moji" in name]  # another vendor's would show the classes of the test split


@pytest.mark.slow
def test_the_real_icons_set_has_the_counts_that_are_published(tmp_path: Path) -> None:
    entry = DATASETS["icons"]
    assert entry.fetch(tmp_path / "icons", 16, untracked)
    counted = summary(read_manifest(tmp_path / "icons"))
    assert (counted.classes, counted.images, counted.domains) == (entry.classes, entry.images, 17)
    assert (counted.images, counted.images_per_split["train"]) == (11458, 11458)
