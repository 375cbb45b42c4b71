"""docs/results.json: a row stays until its study measures it again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hetvs.errors import ArtifactError
from studies.shared.rows import Row, merge_rows, read_rows

ROW = Row(
    study="compatibility",
    dataset="emoji",
    protocol="B",
    method="default",
    size="1/80",
    macs=885_000,
    seed=0,
    metric="map",
    pair="q,g",
    value=0.5,
    lower=0.4,
    upper=0.6,
    command="python -m studies.compatibility --only emoji/1-80-default",
)


def test_a_row_stays_until_it_is_measured_again(tmp_path: Path) -> None:
    path, other = tmp_path / "results.json", replace(ROW, study="search", value=None, lower=None, upper=None)
    merge_rows(path, "search", [other])
    merge_rows(path, "compatibility", [ROW, replace(ROW, seed="mean")])
    again = merge_rows(path, "compatibility", [replace(ROW, value=0.25)])
    assert again == [replace(ROW, value=0.25), replace(ROW, seed="mean")], "those of the study alone"
    assert read_rows(path) == [*again, other]


def test_the_order_of_rows_does_not_depend_on_the_order_they_came_in(tmp_path: Path) -> None:
    rows = [replace(ROW, seed=seed, metric=metric) for seed in (2, "mean", 0) for metric in ("map", "recall@1")]
    texts = []
    for name, given in (("a", rows), ("b", rows[::-1])):
        merge_rows(tmp_path / name, "compatibility", given)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert len(json.loads(texts[0])) == 6


def test_one_number_has_one_row(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of one key"):
        merge_rows(tmp_path / "results.json", "compatibility", [ROW, replace(ROW, value=0.1)])


def test_a_row_of_another_study_is_not_written_under_this_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="search"):
        merge_rows(tmp_path / "results.json", "compatibility", [replace(ROW, study="search")])


@pytest.mark.parametrize("text", ['{"rows": []}', '[{"study": "compatibility"}]', "[3]"])
def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=r"results\.json"):
        merge_rows(path, "compatibility", [ROW])
    assert path.read_text() == text
