"""The kanji set: its rows, what a face draws, and a build that can be killed; the real one is marked slow."""

from __future__ import annotations

import importlib.util
import io
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageFont

from hetvs.datasets import fonts, kanji
from hetvs.datasets.debian import Package
from hetvs.datasets.fonts import Face, FontPackage, read_font_packages
from hetvs.datasets.registry import DATASETS
from hetvs.errors import DatasetError
from hetvs.files import digest_file, read_json
from hetvs.manifest import read_manifest, summary
from hetvs.manifest_check import faults
from hetvs.manifest_table import split_of
from hetvs.preprocess import Preprocess
from hetvs.retrieval.protocols import protocol_of

TEST = [char for char in kanji.level_1() if split_of(f"kanji-xf/{char}") == "test"]
TRAIN = next(char for char in kanji.level_1() if split_of(f"kanji-xf/{char}") == "train")
TWO_FACES = (
    Face(style="print", file="usr/share/fonts/print.ttf", family="stone", genre="mincho"),
    Face(style="flow", file="usr/share/fonts/flow.ttf", family="water", genre="brush"),
)
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is of Debian")


def tiny_font(bars: dict[str, tuple[int, int, int, int]], blank: str = "") -> bytes:
    """Return a TrueType font of 1000 units: a bar (left, bottom, right, top) per character; `blank` draws nothing."""
    names = {char: f"u{ord(char):x}" for char in [*bars, *blank]}
    glyphs = {}
    for name, box in [(".notdef", (0, 0, 1000, 1000)), *((names[char], box) for char, box in bars.items())]:
        left, bottom, right, top = box
        pen = TTGlyphPen(None)
        pen.moveTo((left, bottom))
        for corner in ((left, top), (right, top), (right, bottom)):
            pen.lineTo(corner)
        pen.closePath()
        glyphs[name] = pen.glyph()
    glyphs |= {names[char]: TTGlyphPen(None).glyph() for char in blank}
    builder = FontBuilder(1000)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(char): name for char, name in names.items()})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Tiny", "styleName": "Regular"})
    builder.setupPost()
    stream = io.BytesIO()
    builder.save(stream)
    return stream.getvalue()


def write_deb(files: dict[str, bytes], faces: Sequence[Face], cache: Path) -> FontPackage:
    """Write one package into `cache` and return the entry that pins it."""
    package, tree = Package("fonts-tiny", "1.0-1", ""), cache.parent / "tree"
    for name, data in {"DEBIAN/control": CONTROL.encode(), **files}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    cache.mkdir()
    subprocess.run(["dpkg-deb", "-b", tree, cache / package.file_name], check=True, capture_output=True)
    pinned = replace(package, sha256=digest_file(cache / package.file_name))
    return FontPackage(package=pinned, faces=tuple(faces), licence="", author="", source="")


CONTROL = """Package: fonts-tiny
Version: 1.0-1
Architecture: all
Maintainer: hetvs <hetvs@example.org>
Description: two faces
"""


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[list[FontPackage], Path]:
    """A mincho face of three characters, one of them blank, and a brush face of two; the cache that holds them."""
    first, second = TEST[:2]
    files = {
        TWO_FACES[0].file: tiny_font({first: (100, 400, 900, 500), TRAIN: (400, 0, 500, 800)}, blank=second),
        TWO_FACES[1].file: tiny_font({first: (100, 300, 900, 600), second: (0, 0, 200, 200)}),
    }
    return [write_deb(files, TWO_FACES, tmp_path / "cache")], tmp_path / "cache"


def untracked(chunks: list[Sequence[kanji.Drawing]]) -> list[Sequence[kanji.Drawing]]:
    return chunks


def test_level_1_is_the_standards() -> None:
    characters = kanji.level_1()
    assert len(set(characters)) == len(characters) == 2965
    assert all(0x4E00 <= ord(char) < 0xA000 for char in characters)
    shares = {split: sum(split_of(f"kanji-xf/{c}") == split for c in characters) for split in ("train", "val", "test")}
    assert shares == {"train": 1508, "val": 292, "test": 1165}


def test_a_face_draws_what_it_has_an_outline_for() -> None:
    data = tiny_font({"亜": (0, 0, 500, 500)}, blank="唖")
    assert fonts.drawn_characters(data, ["亜", "唖", "娃"]) == {"亜"}  # 唖 would be drawn as nothing, 娃 as a box


def test_ink_is_black_and_centred_on_a_clear_square() -> None:
    font = ImageFont.truetype(io.BytesIO(tiny_font({"亜": (0, 0, 400, 200)})), 40)
    with Image.open(io.BytesIO(fonts.draw_character(font, "亜", 48))) as image:
        grey, alpha = (np.asarray(band) for band in image.split())
    assert (image.mode, grey.shape, grey.max()) == ("LA", (48, 48), 0)
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    assert (len(columns), len(rows)) == (16, 8)  # 400 and 200 of 1000 units at 40 px
    assert (columns[0], rows[0]) == (16, 20)


@needs_dpkg
def test_a_build_draws_images_and_writes_the_manifest(tiny: tuple[list[FontPackage], Path], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    assert kanji.build_kanji(folder, 48, *tiny, untracked)
    manifest = read_manifest(folder)
    first, second = TEST[:2]
    assert sorted(zip(manifest.extra["style"].tolist(), manifest.labels.tolist(), strict=True)) == sorted(
        [("print", first), ("print", TRAIN), ("flow", first), ("flow", second)]
    )
    assert set(manifest.domains.tolist()) == {"stone", "water"}
    assert manifest.rows(where="genre=brush").tolist() == manifest.rows(where="domain=water").tolist()
    (group,) = protocol_of(manifest, "manifest").groups
    assert manifest.ids[group.gallery_rows].tolist() == [f"print/{ord(first):x}"]
    assert set(manifest.ids[group.query_rows].tolist()) == {f"flow/{ord(first):x}", f"flow/{ord(second):x}"}
    pixels = Preprocess(size_px=48).read(manifest.paths[0])
    assert (pixels[0, 0].tolist(), pixels.min()) == ([255, 255, 255], 0)
    assert faults(folder) == []


@needs_dpkg
def test_a_second_build_verifies_and_draws_nothing(tiny: tuple[list[FontPackage], Path], tmp_path: Path) -> None:
    packages, cache = tiny
    folder = tmp_path / "set"
    kanji.build_kanji(folder, 48, packages, cache, untracked)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert not kanji.build_kanji(folder, 48, packages, tmp_path / "no-cache", untracked)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    with pytest.raises(DatasetError, match="holds images of 48 px, not 32"):
        kanji.build_kanji(folder, 32, packages, cache, untracked)


@needs_dpkg
def test_a_killed_build_goes_on_and_ends_the_same(tiny: tuple[list[FontPackage], Path], tmp_path: Path) -> None:
    def killed(chunks: list[Sequence[kanji.Drawing]]) -> Iterator[Sequence[kanji.Drawing]]:
        yield chunks[0][:2]
        raise KeyboardInterrupt

    whole, halved = tmp_path / "whole", tmp_path / "halved"
    kanji.build_kanji(whole, 48, *tiny, untracked)
    with pytest.raises(KeyboardInterrupt):
        kanji.build_kanji(halved, 48, *tiny, killed)
    kept = {path: path.stat().st_mtime_ns for path in halved.rglob("*.png")}
    assert len(kept) == 2
    assert kanji.build_kanji(halved, 48, *tiny, untracked)
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in halved.rglob("*.png")}.items()
    assert read_json(halved / "dataset.json") == read_json(whole / "dataset.json")


@needs_dpkg
def test_a_package_without_the_font_or_with_another_file_is_one_line(tmp_path: Path) -> None:
    package = write_deb({TWO_FACES[0].file: b"no font"}, TWO_FACES[:1], tmp_path / "cache")
    with pytest.raises(DatasetError, match=r"print\.ttf: not a font"):
        kanji.build_kanji(tmp_path / "set", 48, [package], tmp_path / "cache", untracked)
    other = replace(package, faces=TWO_FACES[1:])
    with pytest.raises(DatasetError, match=r"holds no usr/share/fonts/flow\.ttf"):
        kanji.build_kanji(tmp_path / "set", 48, [other], tmp_path / "cache", untracked)
    assert not (tmp_path / "set").exists()


def test_without_fonttools_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"run `pip install 'hetvs\[kanji\]'`"):
        kanji.build_kanji(tmp_path / "set", 48, read_font_packages(), tmp_path / "cache", untracked)
    assert not (tmp_path / "cache").exists()


def test_every_package_is_attributed_and_every_face_has_a_name_of_its_own() -> None:
    page = (Path(__file__).parents[1] / "docs" / "ATTRIBUTION.md").read_text()
    packages = read_font_packages()
    for entry in packages:
        package = entry.package
        assert f"| `{package.name}` | {package.version} | {entry.licence} | {entry.author} | <{entry.source}> |" in page
    faces = [face for entry in packages for face in entry.faces]
    assert len({face.style for face in faces}) == len(faces) == 18
    assert {face.genre for face in faces} == {"mincho", "gothic", "pixel", *kanji.QUERY_GENRES}


def is_debian_12() -> bool:
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME") == "bookworm"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not is_debian_12(), reason="the pinned packages are those of Debian 12")
def test_the_real_kanji_set_has_the_counts_that_are_published(tmp_path: Path) -> None:
    entry = DATASETS["kanji"]
    assert entry.fetch(tmp_path / "kanji", entry.size_px, untracked)
    assert not entry.fetch(tmp_path / "kanji", entry.size_px, untracked)
    manifest = read_manifest(tmp_path / "kanji")
    counted = summary(manifest)
    assert (counted.classes, counted.images) == (entry.classes, entry.images) == (2965, 53240)
    assert (counted.domains, counted.gallery, counted.queries, counted.open_queries) == (15, 3495, 10437, 0)
    assert counted.images_per_split == {"train": 27079, "val": 5239, "test": 20922}
    # The same table everywhere: another Python's codec or another fontTools must not move a character.
    assert digest_file(manifest.source) == "f2d84b04c6fed7f9ad647ecc74fa5cf91c95ce7af42a0b859531ed2f45f9bee8"
