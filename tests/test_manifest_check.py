"""Every fault of a table is found in one pass, with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.errors import ManifestError
from hetvs.manifest import read_manifest
from hetvs.manifest_check import faults, parse_box

HEADER = ["id", "path", "label", "split"]


def lines_of(path: Path) -> list[tuple[int, str]]:
    return [(fault.line, fault.text) for fault in faults(path)]


HEADER_FAULTS = [
    (["path", "lable", "split"], ["a.png", "a", "train"], "column 'label' is missing; did you mean 'lable'?"),
    (["path", "label"], ["a.png", "a"], "column 'split' is missing"),
    (["path", "label", "label", "split"], ["a.png", "a", "a", "train"], "column 'label' appears twice"),
    ([*HEADER, "x_1", "y_1"], ["a", "a.png", "a", "train", 0, 0], "a box needs the columns x_1, y_1, x_2, y_2"),
]


@pytest.mark.parametrize(("header", "row", "text"), HEADER_FAULTS)
def test_faults_of_the_header_are_in_line_1(
    tmp_path: Path, write_table: Callable[..., Path], header: list[str], row: list[object], text: str
) -> None:
    found = lines_of(write_table(tmp_path, header, row))
    assert found[0][0] == 1
    assert found[0][1].startswith(text)


def test_a_table_without_rows_is_a_fault(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    assert lines_of(write_table(tmp_path, HEADER)) == [(1, "no rows; write one image a row")]


def test_an_empty_file_misses_every_column(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").touch()
    assert len(lines_of(tmp_path / "manifest.csv")) == 4


def test_ragged_rows_are_faults(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(tmp_path, HEADER, ["a", "a.png", "a", "train"])
    path.write_text(path.read_text() + "b,b.png,b\nc,c.png,c,train,more\n")
    assert [line for line, text in lines_of(path) if "cells under 4 columns" in text] == [3, 4]


CELL_FAULTS = [
    (["x", "x.png", "", "train"], "label is empty"),
    (["x", "", "a", "train"], "path is empty"),
    (["", "x.png", "a", "train"], "id is empty"),
    (["x", "x.png", "a", "tran"], "split 'tran' is unknown; did you mean 'train'?"),
    (["x", "x.png", "a", ""], "split '' is unknown"),
    (["first", "x.png", "a", "train"], "id 'first' is also in line 2; make ids unique"),
    (
        ["x", "x.png", "seen", "test"],
        "label 'seen' is in train (line 2) and in test (line 3); keep a class in one split",
    ),
    (["x", "x.png", "seen", "val"], "label 'seen' is in train (line 2) and in val (line 3)"),
]


@pytest.mark.parametrize(("row", "text"), CELL_FAULTS)
def test_faults_of_a_row_name_its_line(
    tmp_path: Path, write_table: Callable[..., Path], row: list[object], text: str
) -> None:
    path = write_table(tmp_path, HEADER, ["first", "f.png", "seen", "train"], row)
    (found,) = lines_of(path)
    assert found[0] == 3
    assert found[1].startswith(text)
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    assert str(error.value).startswith(f"{path}:3: {text}")


def test_two_boxes_of_one_image_need_ids(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(tmp_path, ["path", "label", "split"], ["a.png", "a", "train"], ["a.png", "b", "train"])
    assert lines_of(path) == [(3, "id 'a.png' is also in line 2; add an id column or remove one row")]


def test_a_flag_is_boolean(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(tmp_path, [*HEADER, "is_query"], ["a", "a.png", "a", "test", "maybe"])
    assert lines_of(path) == [(2, "is_query 'maybe' is not boolean; write 1 or 0")]


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ([5, 0, 2, 4], "is empty or inverted"),
        ([0, 0, 0.2, 4], "is empty or inverted"),
        ([-1, 0, 2, 4], "starts outside the image"),
        ([0, 0, 2, ""], "is not four numbers"),
        ([0, 0, "inf", 4], "is not four finite numbers"),
        ([0, 0, 9, 4], "ends outside the image of 8 x 8 px"),
        ([0, 0, 8, 8.5], "ends outside the image of 8 x 8 px"),
    ],
)
def test_faults_of_a_box(tmp_path: Path, write_table: Callable[..., Path], box: list[object], text: str) -> None:
    path = write_table(tmp_path, [*HEADER, "x_1", "y_1", "x_2", "y_2"], ["a", "a.png", "a", "train", *box])
    (found,) = lines_of(path)
    assert found[0] == 2
    assert text in found[1]


@given(st.lists(st.floats(0, 1000), min_size=4, max_size=4))
def test_a_box_survives_its_text(box: list[float]) -> None:
    x_1, y_1, width, height = box
    cells = (str(x_1), str(y_1), str(x_1 + width + 1), str(y_1 + height + 1))
    assert parse_box(cells) == tuple(map(float, cells))


def test_faults_of_images(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    names = ["missing", "zero", "text", "cut", "good"]
    path = write_table(tmp_path, HEADER, *[[name, f"{name}.png", name, "train"] for name in names])
    (tmp_path / "missing.png").unlink()
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:-30])
    found = lines_of(path)
    assert [line for line, _ in found] == [2, 3, 4, 5]
    for (_, text), part in zip(found, ["not found", "zero bytes", "not a readable", "not a readable"], strict=True):
        assert part in text


def test_the_same_bytes_in_train_and_test(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    rows = [["a", "a.png", "a", "train"], ["b", "b.png", "b", "test"], ["c", "c.png", "c", "val"]]
    path = write_table(tmp_path, HEADER, *rows)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    (found,) = lines_of(path)
    assert found[0] == 3
    assert "same bytes as a train image (line 2)" in found[1]
    assert len(read_manifest(path)) == 3  # needs the bytes of every image: only `hetvs data check` looks


def test_every_fault_in_one_pass_and_the_first_one_raised(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    rows = [["a", "a.png", "", "train"], ["a", "b.png", "b", "trial"], ["c", "c.png", "c", "test"]]
    path = write_table(tmp_path, HEADER, *rows)
    (tmp_path / "c.png").write_bytes(b"broken")
    assert [line for line, _ in lines_of(path)] == [2, 3, 3, 4]
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    assert str(error.value).startswith(f"{path}:2: label is empty")
    assert str(error.value).endswith(f"(and 2 more; see `hetvs data check {path}`)")


def test_a_line_number_counts_quoted_line_breaks(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(
        tmp_path, [*HEADER, "note"], ["a", "a.png", "a", "train", "two\nlines"], ["b", "b.png", "", "train", ""]
    )
    assert [line for line, _ in lines_of(path)] == [4]
