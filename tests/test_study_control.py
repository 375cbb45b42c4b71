"""The negative control trains, and is never taken for a student of the cloud's space."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hetvs.artifacts import ModelCard
from hetvs.cli import main as hetvs
from hetvs.errors import ConfigError
from studies.control import main

SETTINGS = (
    "--backbone hetvs/edgenet --anchor 0 --context 0 --influence 0 --relational 1 --img-size 16 --source-size 24 "
    "--epochs 1 -b 16 --views 1 --width 0.5 --depth 1 --amp off --threads 1"
)


@pytest.fixture
def words(shapes_folder: Path, shapes_cloud: Path, tmp_path: Path) -> list[str]:
    return [str(shapes_folder), "--teacher", str(shapes_cloud), "-o", str(tmp_path / "run"), *SETTINGS.split()]


def test_it_trains_into_a_space_of_its_own(words: list[str], shapes_cloud: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0
    card = ModelCard.load(tmp_path / "run")
    assert card.role == "control"
    assert card.space.space_id != ModelCard.load(shapes_cloud).space.space_id


def test_an_output_that_is_there_is_refused(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        CliRunner().invoke(main, words, catch_exceptions=False)


def test_the_command_refuses_it(words: list[str]) -> None:
    done = CliRunner().invoke(hetvs, ["train-student", *words])
    assert done.exit_code == 1
    assert "is not anchored" in done.stderr
