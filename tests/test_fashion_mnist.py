"""Fashion-MNIST: its files, its splits, and that a closed set may be judged on classes that are trained on."""

from __future__ import annotations

import gzip
import json
import platform
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hetvs.datasets import fashion_mnist
from hetvs.datasets.debian import Package
from hetvs.datasets.registry import DATASETS
from hetvs.errors import DatasetError, ManifestError
from hetvs.files import digest_file, read_json
from hetvs.manifest import read_manifest, summary

CONTROL = """Package: dataset-tiny
Version: 1.0-1
Architecture: all
Maintainer: hetvs <hetvs@example.org>
Description: clothes
"""
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is of Debian")


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def write_deb(files: dict[str, bytes], cache: Path) -> Package:
    package, tree = Package("dataset-tiny", "1.0-1", ""), cache.parent / "tree"
    for name, data in {"DEBIAN/control": CONTROL.encode(), **files}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    cache.mkdir()
    subprocess.run(["dpkg-deb", "-b", tree, cache / package.file_name], check=True, capture_output=True)
    return replace(package, sha256=digest_file(cache / package.file_name))


def files_of(train: int, test: int) -> dict[str, bytes]:
    """The four files: picture i is of class i mod 10, and level i everywhere."""
    files = {}
    for source, count in (("train", train), ("t10k", test)):
        levels = np.arange(count, dtype=np.uint8)
        files[f"{source}-images-idx3-ubyte.gz"] = idx(np.tile(levels[:, None, None], (1, 28, 28)))
        files[f"{source}-labels-idx1-ubyte.gz"] = idx((levels % 10).astype(np.uint8))
    return {f"{fashion_mnist.FILES}/{name}": data for name, data in files.items()}


def untracked(chunks: list[Sequence[fashion_mnist.Picture]]) -> list[Sequence[fashion_mnist.Picture]]:
    return chunks


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.integers(0, 255))
@settings(max_examples=25, deadline=None)
def test_an_idx_file_is_read_back(shape: list[int], first: int) -> None:
    array = (np.arange(np.prod(shape)) + first).astype(np.uint8).reshape(shape)
    assert np.array_equal(fashion_mnist.read_idx(idx(array)), array)


@pytest.mark.parametrize("data", [b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", b"\0\0\x08\x01\0\0\0\x05\x01", b""])
def test_what_is_no_idx_file_of_bytes_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"IDX|reshape|buffer"):
        fashion_mnist.read_idx(gzip.compress(data))


@needs_dpkg
def test_a_build_writes_the_pictures_as_they_are(tmp_path: Path) -> None:
    package, folder = write_deb(files_of(40, 12), tmp_path / "cache"), tmp_path / "set"
    assert fashion_mnist.build_fashion_mnist(folder, 28, package, tmp_path / "cache", untracked)
    assert not fashion_mnist.build_fashion_mnist(folder, 28, package, tmp_path / "no-cache", untracked)
    manifest = read_manifest(folder)
    assert summary(manifest).images_per_split["test"] == 12
    assert manifest.ids[manifest.splits == "test"].tolist() == [f"t10k/{place:05d}" for place in range(12)]
    assert {"train", "val"} == set(manifest.splits[:40].tolist())
    row = manifest.ids.tolist().index("train/00013")
    assert (manifest.labels[row], manifest.column("number")[row], manifest.column("half")[row]) == (
        "Dress",
        "3",
        "first",
    )
    with Image.open(manifest.paths[row]) as image:
        assert (image.mode, image.size, np.unique(np.asarray(image)).tolist()) == ("L", (28, 28), [13])


@needs_dpkg
def test_a_closed_set_says_so_and_without_it_shared_classes_are_a_fault(tmp_path: Path) -> None:
    package, folder = write_deb(files_of(40, 12), tmp_path / "cache"), tmp_path / "set"
    fashion_mnist.build_fashion_mnist(folder, 28, package, tmp_path / "cache", untracked)
    facts = read_json(folder / "dataset.json")
    assert facts["closed_set"] is True
    (folder / "dataset.json").write_text(json.dumps({**facts, "closed_set": False}))
    with pytest.raises(ManifestError, match="keep a class in one split"):
        read_manifest(folder)
    for text in ('{"closed_set": "yes"}', "[]"):
        (folder / "dataset.json").write_text(text)
        with pytest.raises(ManifestError, match=r"dataset\.json: closed_set is not true or false"):
            read_manifest(folder)
    (folder / "dataset.json").write_text("{")
    with pytest.raises(ManifestError, match=r"dataset\.json: not readable as JSON.*correct it or remove it"):
        read_manifest(folder)


@needs_dpkg
def test_a_file_of_something_else_and_another_size_are_one_line(tmp_path: Path) -> None:
    files = {**files_of(4, 4), f"{fashion_mnist.FILES}/t10k-labels-idx1-ubyte.gz": idx(np.zeros(3, np.uint8))}
    package = write_deb(files, tmp_path / "cache")
    with pytest.raises(DatasetError, match="t10k: not pictures with labels"):
        fashion_mnist.build_fashion_mnist(tmp_path / "set", 28, package, tmp_path / "cache", untracked)
    with pytest.raises(DatasetError, match="pictures of 28 px, not 64; leave --size out"):
        fashion_mnist.build_fashion_mnist(tmp_path / "set", 64, package, tmp_path / "cache", untracked)
    assert not (tmp_path / "set").exists()


def test_the_set_is_attributed_and_registered_as_closed() -> None:
    page = (Path(__file__).parents[1] / "docs" / "ATTRIBUTION.md").read_text()
    package = fashion_mnist.PACKAGE
    assert f"| `{package.name}` | {package.version} | MIT | Zalando SE |" in page
    assert [name for name, entry in DATASETS.items() if entry.closed_set] == ["fashion-mnist"]


def is_debian_12() -> bool:
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME") == "bookworm"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not is_debian_12(), reason="the pinned package is that of Debian 12")
def test_the_real_set_has_the_counts_that_are_published(tmp_path: Path) -> None:
    entry = DATASETS["fashion-mnist"]
    assert entry.fetch(tmp_path / "set", entry.size_px, untracked)
    counted = summary(read_manifest(tmp_path / "set"))
    assert (counted.classes, counted.images) == (entry.classes, entry.images)
    assert counted.images_per_split == {"train": 53999, "val": 6001, "test": 10000}
    assert (
        digest_file(tmp_path / "set" / "manifest.csv")
        == "801a7be9996c396f20802f5699a6a5ae97e2332f525fbdcb2ea3a7a59ac8f71c"
    )
