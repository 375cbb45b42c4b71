"""`hetvs data`: what a user types and sees."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hetvs.cli import main
from hetvs.datasets import emoji, registry
from hetvs.datasets.folder import DatasetCard, complete, is_complete


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


@pytest.fixture
def tiny_set(monkeypatch: pytest.MonkeyPatch, write_table: Callable[..., Path]) -> None:
    """Replace the emoji builder by one that writes two images."""

    def fetch(folder: Path, size_px: int, track: Callable[..., Iterable[object]]) -> bool:
        card = DatasetCard(name="emoji", builder_version=emoji.BUILDER_VERSION, size_px=size_px)
        if is_complete(folder, card):
            return False
        folder.mkdir()
        list(track([[1, 2]]))
        write_table(folder, ["path", "label", "split"], ["a.png", "a", "train"], ["b.png", "b", "test"])
        complete(folder, card)
        return True

    entry = registry.NamedDataset(
        description="", classes=2, images=2, licences=("MIT",), fetched_mb=1, size_px=64, fetch=fetch
    )
    monkeypatch.setattr(registry, "DATASETS", {"emoji": entry})


def test_list_shows_every_set_with_its_licences() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert "emoji: the same emoji drawn by six vendors" in result.stdout
    assert "1,618 classes, 14,607 images of 64 px; fetches 31 MB" in result.stdout
    assert "Apache-2.0, CC-BY-4.0, CC-BY-SA-4.0, MIT" in result.stdout
    assert result.stdout.splitlines()[-1] == "next: hetvs data fetch emoji -o data"


def test_a_set_without_classes_to_learn_names_the_command_that_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_table: Callable[..., Path]
) -> None:
    def fetch(folder: Path, size_px: int, track: object) -> bool:
        write_table(folder, ["path", "label", "split"], ["a.png", "a", "train"])
        return True

    (tmp_path / "d").mkdir()
    monkeypatch.setattr(registry, "DATASETS", {"icons": replace(registry.DATASETS["icons"], fetch=fetch)})
    assert run("fetch", "icons", "-o", tmp_path / "d").stdout.splitlines()[-1] == (
        f"next: hetvs train-student DATA --teacher runs/cloud -o runs/edge --extra {tmp_path / 'd'}"
    )


def test_list_as_json() -> None:
    facts = json.loads(run("list", "--json").stdout)
    assert facts["emoji"]["images"] == 14607


@pytest.mark.usefixtures("tiny_set")
def test_fetch_builds_once_then_verifies(tmp_path: Path) -> None:
    first, second = run("fetch", "emoji", "-o", tmp_path / "d"), run("fetch", "emoji", "-o", tmp_path / "d")
    assert first.exit_code == second.exit_code == 0
    assert first.stdout.splitlines()[0] == f"{tmp_path / 'd'}: built"
    assert second.stdout.splitlines()[0] == f"{tmp_path / 'd'}: already there, every file verified"
    assert first.stdout.splitlines()[-1] == f"next: hetvs train-teacher {tmp_path / 'd'} -o runs/cloud"
    other = run("fetch", "emoji", "-o", tmp_path / "d", "--size", 32)
    assert other.exit_code == 1
    assert other.stderr.startswith(f"Error: {tmp_path / 'd'}: holds images of 64 px, not 32")


def test_fetch_of_an_unknown_set_suggests(tmp_path: Path) -> None:
    result = run("fetch", "emojis", "-o", tmp_path / "d")
    assert result.exit_code == 1
    assert result.stderr == "Error: data set 'emojis' is unknown; did you mean 'emoji'?\n"


def test_fetch_refuses_a_size_out_of_range(tmp_path: Path) -> None:
    result = run("fetch", "emoji", "-o", tmp_path / "d", "--size", 4)
    assert result.exit_code == 1
    assert result.stderr == "Error: size must be 16..512 px, got 4\n"
    assert not (tmp_path / "d").exists()


def test_check_of_a_good_table_counts_and_names_the_next_command(
    tmp_path: Path, write_table: Callable[..., Path]
) -> None:
    path = write_table(tmp_path, ["path", "label", "split"], ["a.png", "a", "train"], ["b.png", "b", "test"])
    result = run("check", path)
    assert result.exit_code == 0
    assert "2 images of 2 classes" in result.stdout
    assert "  1 queries (0 without an answer in the gallery), 1 gallery images" in result.stdout
    assert result.stdout.splitlines()[-1] == f"next: hetvs train-teacher {path} -o runs/cloud"


def test_check_prints_every_fault_and_exits_1(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(tmp_path, ["path", "label", "split"], ["a.png", "", "train"], ["b.png", "b", "test"])
    (tmp_path / "b.png").write_bytes(b"broken")
    result = run("check", path)
    assert result.exit_code == 1
    assert [line.split(": ")[0] for line in result.stdout.splitlines()] == [f"{path}:2", f"{path}:3"]
    assert result.stderr.splitlines()[-1] == f"Error: {path}: 2 fault(s); correct the table and check again"


def test_check_counts_a_table_whose_only_faults_are_pixels(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(tmp_path, ["path", "label", "split"], ["a.png", "a", "train"])
    (tmp_path / "a.png").write_bytes(b"broken")
    result = run("check", path)
    assert result.exit_code == 1
    assert "1 images of 1 classes" in result.stdout


def test_check_as_json(tmp_path: Path, write_table: Callable[..., Path]) -> None:
    path = write_table(tmp_path, ["path", "label", "split"], ["a.png", "a", "tain"])
    result = run("check", path, "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert facts["summary"] is None
    assert facts["faults"] == [{"file": str(path), "line": 2, "text": "split 'tain' is unknown; did you mean 'train'?"}]


def test_check_of_nothing_says_the_way_out(tmp_path: Path) -> None:
    result = run("check", tmp_path / "none")
    assert result.exit_code == 1
    assert "not found; give a manifest.csv" in result.stderr
    assert len(result.stderr.splitlines()) == 1
