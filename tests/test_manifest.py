"""The table of images: what is read, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hetvs.errors import ConfigError, ManifestError
from hetvs.manifest import Manifest, Summary, read_manifest, summary
from hetvs.manifest_table import read_table, split_of

HEADER = ["id", "path", "label", "split"]


def draw(path: Path, seed: int = 0, size_px: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_a_full_table_is_read(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    header = [*HEADER, "domain", "is_query", "is_gallery", "x_1", "y_1", "x_2", "y_2", "style"]
    write_table(
        tmp_path,
        header,
        ["q", "q.png", "cat", "test", "photo", "1", "0", "1", "2", "5.5", "7", "noto"],
        ["g", "sub/g.png", "cat", "test", "drawing", "FALSE", "True", "", "", "", "", "twemoji"],
        ["t", str(tmp_path / "t.png"), "dog", "train", "photo", "", "", "", "", "", "", "noto"],
    )
    m = read_manifest(tmp_path)
    assert len(m) == 3
    assert m.ids.tolist() == ["q", "g", "t"]
    assert m.paths == (tmp_path / "q.png", tmp_path / "sub/g.png", tmp_path / "t.png")
    assert m.domains.tolist() == ["photo", "drawing", "photo"]
    assert m.is_query.tolist() == [True, False, False]
    assert m.is_gallery.tolist() == [False, True, False]
    assert m.box(0) == (1.0, 2.0, 5.5, 7.0)
    assert m.box(1) is None
    assert m.extra["style"].tolist() == ["noto", "twemoji", "noto"]


def test_defaults_of_the_optional_columns(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(tmp_path, ["path", "label", "split"], ["a.png", "a", "train"], ["b.png", "b", "val"])
    m = read_manifest(path)
    assert m.ids.tolist() == ["a.png", "b.png"]
    assert m.domains.tolist() == ["", ""]
    assert m.is_query.tolist() == m.is_gallery.tolist() == [False, True]
    assert m.extra == {}


def test_parquet_gives_the_same_manifest_as_csv(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    header = [*HEADER, "is_query", "x_1", "y_1", "x_2", "y_2"]
    path = write_table(
        tmp_path, header, [1, "a.png", 7, "test", True, 0, 0, 4, 4], [2, "b.png", 7, "test", "", "", "", "", ""]
    )
    nan = float("nan")
    columns = [
        [1, 2],
        ["a.png", "b.png"],
        [7, 7],
        ["test"] * 2,
        [True, None],
        *([v, nan] for v in (0.0, 0.0, 4.0, 4.0)),
    ]
    parquet.write_table(arrow.table(dict(zip(header, columns, strict=True))), tmp_path / "m.parquet")
    from_csv, from_parquet = read_manifest(path), read_manifest(tmp_path / "m.parquet")
    assert from_csv.paths == from_parquet.paths
    for name in ("ids", "labels", "splits", "is_query", "is_gallery"):
        assert getattr(from_csv, name).tolist() == getattr(from_parquet, name).tolist()
    assert np.array_equal(from_csv.boxes, from_parquet.boxes, equal_nan=True)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ManifestError, match=r"pip install 'hetvs\[parquet\]'"):
        read_manifest(tmp_path / "m.parquet")


def test_class_folders_are_split_by_the_hash_of_their_names(tmp_path: Path) -> None:
    for name in ("cat", "chair"):
        draw(tmp_path / name / "1.png")
        draw(tmp_path / name / "2.JPG")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    draw(tmp_path / "cat" / "._1.png")
    m = read_manifest(tmp_path)
    assert m.ids.tolist() == ["cat/1.png", "cat/2.JPG", "chair/1.png", "chair/2.JPG"]
    assert m.labels.tolist() == ["cat", "cat", "chair", "chair"]
    assert m.splits.tolist() == ["test", "test", "train", "train"]


def test_split_folders_say_the_split(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "cat" / "1.png")
    draw(tmp_path / "test" / "dog" / "1.png")
    m = read_manifest(tmp_path)
    assert list(zip(m.labels.tolist(), m.splits.tolist(), strict=True)) == [("dog", "test"), ("cat", "train")]


def test_a_misspelt_split_folder_is_a_fault(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "cat" / "1.png")
    draw(tmp_path / "vals" / "dog" / "1.png")
    with pytest.raises(ManifestError, match="split 'vals' is unknown; did you mean 'val'"):
        read_manifest(tmp_path)


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "1.png")
    draw(tmp_path / "bus" / "1.png")
    assert read_manifest(tmp_path).labels.tolist() == ["bus", "train"]


@settings(max_examples=20, deadline=None)
@given(st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=20))
def test_a_class_keeps_its_split_when_others_come_and_go(names: set[str]) -> None:
    assert {name: split_of(name) for name in names} == {name: split_of(name) for name in sorted(names)}
    assert {split_of(name) for name in names} <= {"train", "val", "test"}


def test_rows_by_split_and_column(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    header = ["path", "label", "split", "is_query", "core"]
    rows = [["a.png", "a", "train", 0, 1], ["b.png", "b", "test", 1, 0], ["c.png", "b", "test", 0, 1]]
    m = read_manifest(write_table(tmp_path, header, *rows))
    assert m.rows().tolist() == [0, 1, 2]
    assert m.rows("test").tolist() == [1, 2]
    assert m.rows("test", "core=1").tolist() == [2]
    assert m.rows(where="is_query=1").tolist() == [1]
    assert m.rows(where="label!=a").tolist() == [1, 2]
    assert m.rows("test", "label!=a,core!=1").tolist() == [1]
    assert m.rows("val").tolist() == []
    assert m.rows("test").dtype == np.int64
    assert (m.column("core").tolist(), m.column("is_query").tolist()) == (["1", "0", "1"], ["0", "1", "0"])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("cor=1", "column 'cor' is unknown; did you mean 'core'"),
        ("core", "row filter 'core' is not COLUMN=VALUE"),
        ("core=yes", "no row has core='yes'; the values are 0, 1"),
        ("core=1,label!=zebra", "no row has label='zebra'"),
        ("core=1,", "row filter '' is not COLUMN=VALUE"),
    ],
)
def test_a_wrong_row_filter_is_a_config_error(
    tmp_path: Path, write_table: Callable[..., Path], where: str, message: str
) -> None:
    m = read_manifest(
        write_table(tmp_path, ["path", "label", "split", "core"], ["a.png", "a", "train", 1], ["b.png", "b", "val", 0])
    )
    with pytest.raises(ConfigError, match=message):
        m.rows(where=where)


def test_every_manifest_has_halves_of_its_classes(make_manifest: Callable[..., Manifest]) -> None:
    labels = [f"c{n % 200}" for n in range(400)]
    plain = make_manifest(labels)
    first, second = (set(plain.rows(where=f"half={half}").tolist()) for half in ("first", "second"))
    assert first | second == set(range(400))
    assert not {labels[row] for row in first} & {labels[row] for row in second}
    assert 80 <= len({labels[row] for row in first}) <= 120
    fewer = make_manifest(labels[:50])
    assert fewer.column("half").tolist() == plain.column("half").tolist()[:50]
    assert make_manifest(["a", "b"], half=["left", "right"]).column("half").tolist() == ["left", "right"]


def test_a_byte_order_mark_and_spaces_are_no_part_of_the_cells(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("path, label, split\na.png , a, train\n\n", encoding="utf-8-sig")
    assert read_manifest(tmp_path / "m.csv").labels.tolist() == ["a"]


def test_what_is_no_table_says_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.txt").touch()
    (tmp_path / "latin.csv").write_bytes("path,label,split\na.png,Käse,train\n".encode("latin-1"))
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    expected = {
        "none": "not found; give a manifest.csv.*hetvs data fetch emoji -o DIR",
        "empty": "no manifest.csv, no manifest.parquet and no class folders",
        "m.txt": r"neither \.csv nor \.parquet",
        "latin.csv": "not UTF-8",
        "bad.parquet": "not a Parquet file",
    }
    for name, message in expected.items():
        with pytest.raises(ManifestError, match=message):
            read_manifest(tmp_path / name)


def test_two_tables_in_one_folder_are_ambiguous(tmp_path: Path) -> None:
    for name in ("manifest.csv", "manifest.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(ManifestError, match="name the file that you mean"):
        read_table(tmp_path)


def test_summary_counts_open_queries(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    rows: list[list[object]] = [
        ["a.png", "a", "train", "x", 0, 0],
        ["b.png", "b", "test", "x", 0, 1],
        ["c.png", "b", "test", "y", 1, 0],
        ["d.png", "d", "test", "y", 1, 0],  # no d in the gallery
    ]
    m = read_manifest(write_table(tmp_path, ["path", "label", "split", "domain", "is_query", "is_gallery"], *rows))
    assert isinstance(m, Manifest)
    assert summary(m) == Summary(
        images=4,
        classes=3,
        domains=2,
        images_per_split={"train": 1, "val": 0, "test": 3},
        classes_per_split={"train": 1, "val": 0, "test": 2},
        queries=2,
        gallery=1,
        open_queries=1,
    )
