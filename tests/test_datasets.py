"""The emoji set: its rules, its packages, and a build that can be killed; the real one is marked slow."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from hetvs.datasets import emoji, emoji_rules
from hetvs.datasets.emoji_styles import Style, read_styles
from hetvs.datasets.icon_sets import IconSet, read_icon_set
from hetvs.datasets.registry import DATASETS
from hetvs.errors import DatasetError
from hetvs.files import digest_file, read_json
from hetvs.manifest import read_manifest, summary
from hetvs.manifest_table import SPLITS

ROCKET, CAT, ASTRONAUT, WOMAN_ASTRONAUT = "1f680", "1f408", "1f9d1-200d-1f680", "1f469-200d-1f680"


def square(colour: str) -> dict[str, object]:
    return {"body": f'<path fill="{colour}" d="M0 0h8v8H0z"/>'}  # the left upper quarter of 16 x 16


FAKE_PACKAGES: dict[str, dict[str, dict[str, object]]] = {
    "alpha": {  # knows code points, one of them private, one with a skin tone
        "chars": {
            "1f680": "rocket",
            "1F408-FE0F": "cat",
            "e0a1": "logo",
            "1f44d-1f3fb": "thumb",
            WOMAN_ASTRONAUT: "woman",
        },
        "icons": {name: square("red") for name in ("rocket", "cat", "logo", "thumb", "woman")},
    },
    "beta": {  # by name and by alias; the flipped alias is another drawing
        "icons": {"rocket": square("lime"), "kitty": square("lime"), "dame": square("lime"), "other": square("blue")},
        "aliases": {
            "cat": {"parent": "kitty"},
            "woman": {"parent": "dame"},
            "logo": {"parent": "other", "hFlip": True},
        },
    },
    "gamma": {"icons": {"rocket": square("blue"), "cat": {**square("blue"), "height": 8}, "woman": square("blue")}},
    "delta": {"icons": {"r-ocket": square("black"), "woman": square("black"), "cat": square("black")}},
    "gamma-bold": {"icons": {"rocket": square("navy")}},
}


def write_package(style: str, content: dict[str, dict[str, object]], folder: Path) -> Style:
    """Write one tarball as npm packs it and return the style that pins it."""
    entry = Style(
        style=style,
        version="1.0.0",
        sha256="",
        family=style.partition("-")[0],
        licence="MIT",
        author="",
        source="",
        names="unicode" if style == "delta" else "cldr",
    )
    files = {
        "icons.json": {"width": 16, "height": 16, "aliases": {}, **content},
        "chars.json": content.get("chars", {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / entry.package.file_name, "w:gz") as package:
        for name, value in files.items():
            data = json.dumps(value).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            package.addfile(member, io.BytesIO(data))
    return replace(entry, sha256=digest_file(folder / entry.package.file_name))


@pytest.fixture
def fakes(tmp_path: Path) -> tuple[list[Style], Path]:
    """Five tiny styles of four families, and the cache that holds their packages."""
    cache = tmp_path / "cache"
    return [write_package(style, content, cache) for style, content in FAKE_PACKAGES.items()], cache


def untracked(chunks: list[Sequence[emoji_rules.Drawing]]) -> list[Sequence[emoji_rules.Drawing]]:
    return chunks


def test_classes_are_matched_by_code_point_name_alias_and_squeezed_name(fakes: tuple[list[Style], Path]) -> None:
    styles, cache = fakes
    sets = {style: read_icon_set(cache / style.package.file_name) for style in styles}
    found = {(d.style, d.code): d.icon for d in emoji_rules.drawings(sets)}
    assert found == {
        ("alpha", ROCKET): "rocket",
        ("alpha", CAT): "cat",
        ("alpha", WOMAN_ASTRONAUT): "woman",
        ("beta", ROCKET): "rocket",
        ("beta", CAT): "kitty",
        ("beta", WOMAN_ASTRONAUT): "dame",
        ("gamma", ROCKET): "rocket",
        ("gamma", CAT): "cat",
        ("gamma", WOMAN_ASTRONAUT): "woman",
        ("delta", ROCKET): "r-ocket",
        ("delta", CAT): "cat",
        ("delta", WOMAN_ASTRONAUT): "woman",
        ("gamma-bold", ROCKET): "rocket",
    }


def test_a_class_of_fewer_than_four_families_is_left_out(fakes: tuple[list[Style], Path]) -> None:
    styles, cache = fakes
    sets = {s: read_icon_set(cache / s.package.file_name) for s in styles if s.style != "delta"}
    assert emoji_rules.drawings(sets) == []  # four styles draw the rocket, two of them of one family


def test_a_drawing_stands_for_one_class_only() -> None:
    alpha = IconSet({}, {}, {CAT: "cat", ROCKET: "rocket"}, {})
    beta = IconSet({"cat": {}}, {"rocket": "cat"}, {}, {})
    codes = emoji_rules._codes_of_names([alpha, beta])
    assert emoji_rules._classes_of(read_styles()[0], beta, codes) == {CAT: "cat"}


@pytest.mark.parametrize(
    ("code", "dropped"),
    [
        ("1f44d-1f3ff", True),
        ("1f1e9-1f1ea", True),
        ("1f3f4-e0067-e0062-e007f", True),
        ("f8ff", True),
        ("23", True),
        ("23-20e3", False),
        ("1f3f3-200d-1f308", False),
        ("2600", False),
    ],
)
def test_what_is_dropped(code: str, dropped: bool) -> None:
    assert emoji_rules.is_dropped(code) is dropped


@pytest.mark.parametrize(
    "code",
    [
        WOMAN_ASTRONAUT,
        "1f3c3-200d-2642",
        "1f9d1-200d-1f91d-200d-1f9d1",
        "1f9d1-200d-1f9af-200d-27a1",
        "1f567",
        "1f468-200d-1f469-200d-1f466",
    ],
)
def test_twins_are_not_core(code: str) -> None:
    assert not emoji_rules.is_core(code)


@pytest.mark.parametrize("code", [ASTRONAUT, "1f3c3", "1f469", "1f9af", "1f568", "23-20e3"])
def test_what_has_no_twin_is_core(code: str) -> None:
    assert emoji_rules.is_core(code)


@pytest.mark.parametrize(
    "look_alikes",
    [
        (ASTRONAUT, WOMAN_ASTRONAUT, "1f680"),
        ("1f3c3", "1f3c3-200d-2640", "1f3c3-200d-2642"),
        ("23-20e3", "39-20e3"),
        ("1f550", "1f567"),
        ("1f311", "1f318"),
    ],
)
def test_look_alikes_are_on_one_side_of_the_split(look_alikes: tuple[str, ...]) -> None:
    assert len({emoji_rules.split_group(code) for code in look_alikes}) == 1
    assert len({emoji_rules.split_of(code) for code in look_alikes}) == 1


def test_a_build_draws_rgba_images_and_writes_the_manifest_last(
    fakes: tuple[list[Style], Path], tmp_path: Path
) -> None:
    styles, cache = fakes
    folder = tmp_path / "set"
    assert emoji.build_emoji(folder, 16, styles, cache, untracked)
    manifest = read_manifest(folder)
    assert len(manifest) == 13
    assert set(manifest.domains.tolist()) == {"alpha", "beta", "gamma", "delta"}
    with Image.open(folder / "images" / "alpha" / f"{CAT}.png") as image:
        assert (image.mode, image.size) == ("RGBA", (16, 16))
        assert image.getpixel((3, 3)) == (255, 0, 0, 255)
        assert image.getpixel((12, 12)) == (0, 0, 0, 0)
    with Image.open(folder / "images" / "gamma" / f"{CAT}.png") as image:  # 16 x 8: centred on a clear square
        assert [image.getpixel((3, y)) for y in (2, 8, 13)] == [(0, 0, 0, 0), (0, 0, 255, 255), (0, 0, 0, 0)]
    assert set(manifest.rows(where="core=0").tolist()) == set(manifest.rows(where=f"label={WOMAN_ASTRONAUT}").tolist())


def test_a_second_build_verifies_and_draws_nothing(fakes: tuple[list[Style], Path], tmp_path: Path) -> None:
    styles, cache = fakes
    folder = tmp_path / "set"
    emoji.build_emoji(folder, 16, styles, cache, untracked)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    assert not emoji.build_emoji(folder, 16, styles, tmp_path / "no-cache", untracked)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_a_killed_build_goes_on_and_ends_the_same(fakes: tuple[list[Style], Path], tmp_path: Path) -> None:
    styles, cache = fakes

    def killed(chunks: list[Sequence[emoji_rules.Drawing]]) -> Iterator[Sequence[emoji_rules.Drawing]]:
        yield chunks[0][:5]
        raise KeyboardInterrupt

    whole, halved = tmp_path / "whole", tmp_path / "halved"
    emoji.build_emoji(whole, 16, styles, cache, untracked)
    with pytest.raises(KeyboardInterrupt):
        emoji.build_emoji(halved, 16, styles, cache, killed)
    kept = {path: path.stat().st_mtime_ns for path in halved.rglob("*.png")}
    assert len(kept) == 5
    assert not (halved / "manifest.csv").exists()
    assert emoji.build_emoji(halved, 16, styles, cache, untracked)
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in halved.rglob("*.png")}.items()
    assert read_json(halved / "dataset.json") == read_json(whole / "dataset.json")


def test_a_folder_of_something_else_is_refused(fakes: tuple[list[Style], Path], tmp_path: Path) -> None:
    styles, cache = fakes
    folder = tmp_path / "set"
    emoji.build_emoji(folder, 16, styles, cache, untracked)

    def build(target: Path, size_px: int) -> bool:
        return emoji.build_emoji(target, size_px, styles, cache, untracked)

    with pytest.raises(DatasetError, match="holds images of 16 px, not 32; choose another -o, or add --size 16"):
        build(folder, 32)
    with pytest.raises(DatasetError, match="not empty and not a data set of ours"):
        build(tmp_path / "cache", 16)
    (folder / "images" / "alpha" / f"{CAT}.png").write_bytes(b"edited")
    with pytest.raises(DatasetError, match="files changed since they were built"):
        build(folder, 16)
    (folder / "dataset.json").write_text('{"name": "emoji"}')
    with pytest.raises(DatasetError, match=r"dataset\.json: not readable"):
        build(folder, 16)


def test_a_wrong_checksum_says_file_expected_and_got(fakes: tuple[list[Style], Path], tmp_path: Path) -> None:
    styles, cache = fakes
    file = cache / styles[1].package.file_name
    file.write_bytes(b"other")
    message = (
        f"{file.name}: sha256 is {digest_file(file)}, expected {styles[1].sha256}; delete the file and fetch again"
    )
    with pytest.raises(DatasetError, match=message):
        emoji.build_emoji(tmp_path / "set", 16, styles, cache, untracked)
    assert not (tmp_path / "set").exists()  # nothing begun: any size can be asked for next


def test_a_tarball_of_something_else_is_a_dataset_error(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"no tarball")
    with pytest.raises(DatasetError, match="not a package of icons"):
        read_icon_set(tmp_path / "a.tgz")


def test_every_registered_set_has_its_facts() -> None:
    for entry in DATASETS.values():
        assert entry.classes > 0
        assert entry.images > 0
        assert entry.fetched_mb > 0
        assert entry.licences
        assert callable(entry.fetch)


def test_every_style_is_attributed() -> None:
    page = (Path(__file__).parents[1] / "docs" / "ATTRIBUTION.md").read_text()
    styles = read_styles()
    assert [style.style for style in styles] == sorted(style.style for style in styles)
    for style in styles:
        row = (
            f"| `@iconify-json/{style.style}` | {style.version} | {style.licence} | {style.author} | <{style.source}> |"
        )
        assert row in page


@pytest.mark.slow
def test_the_real_emoji_set_has_the_counts_that_are_published(tmp_path: Path) -> None:
    fetch = DATASETS["emoji"].fetch
    assert fetch(tmp_path / "emoji", 32, untracked)
    assert not fetch(tmp_path / "emoji", 32, untracked)
    manifest = read_manifest(tmp_path / "emoji")
    counted = summary(manifest)
    assert (counted.classes, counted.images) == (DATASETS["emoji"].classes, DATASETS["emoji"].images) == (1618, 14607)
    assert (counted.domains, counted.gallery, counted.queries, counted.open_queries) == (6, 575, 4371, 0)
    core = {split: manifest.rows(split, "core=1") for split in SPLITS}
    images = {split: len(rows) for split, rows in core.items()}
    classes = {split: len(set(manifest.labels[rows].tolist())) for split, rows in core.items()}
    assert images == {"train": 6605, "val": 1109, "test": 5388}
    assert classes == {"train": 708, "val": 121, "test": 575}
    # The same table everywhere: another Python's Unicode names must not move a class.
    assert digest_file(manifest.source) == "4d246d33c6c41e809e40dcd3e9c84a15c81ad92826dae500e9bc997429c5c19d"
