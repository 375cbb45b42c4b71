"""The study of congruent updates: its plan, its rows from finished updates, its page."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hetvs.cli import main as hetvs
from hetvs.config import ClassifierConfig
from hetvs.retrieval import flips
from hetvs.settings import read_config
from studies.congruent.__main__ import main
from studies.congruent.page import page
from studies.congruent.plan import ELODI, FOCAL, NONE, PARAGON, CongruentPlanner, Update
from studies.congruent.rows import Judged, rows_of
from studies.shared.cases import Places
from studies.shared.jobs import with_needs
from studies.shared.rows import MEAN, Row

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"


@pytest.fixture
def updates(tmp_path: Path) -> list[Update]:
    return CongruentPlanner(Places(home=tmp_path, recipes=RECIPES), (0, 1)).updates()


def test_every_command_of_the_plan_would_be_taken(updates: list[Update]) -> None:
    jobs = with_needs(update.comparison for update in updates)
    commands = {"train-classifier": 0, "compare": 0, "data": 0}
    for job in jobs:
        name = job.words[1]
        commands[name] += 1
        command = hetvs.get_command(click.Context(hetvs), name)
        assert command is not None
        command.make_context(name, list(job.words[2:]))
    # Old 2 x 2, new 2; warm, naive and focal 2 x 2 each; ensembles of 3: two old, one new; followers: two old, one new,
    # and those that begin as the old ones.
    assert commands == {"data": 1, "train-classifier": 4 + 2 + 12 + 9 + 6 + 4, "compare": 2 * (6 * 2 + 1)}


def test_a_job_needs_every_run_that_it_reads_and_comes_after_it(updates: list[Update]) -> None:
    jobs = with_needs(update.comparison for update in updates)
    runs = {str(job.output): number for number, job in enumerate(jobs) if job.kind.name == "train"}
    for number, job in enumerate(jobs):
        read = {word for part in job.words for word in part.split(",")} & set(runs) - {str(job.output)}
        assert read == {str(before.output) for before in job.after} & set(runs)
        assert all(runs[run] < number for run in read)


def seeds_of(words: tuple[str, ...], flag: str) -> set[str]:
    return {word.rpartition("-s")[2] for option, word in pairwise(words) if option == flag}


def test_old_and_new_models_are_of_different_seeds(updates: list[Update]) -> None:
    for update in updates:
        old, new = (seeds_of(update.comparison.words, flag) for flag in ("--old", "--new"))
        assert len(old) == len(new) == (3 if update.method == PARAGON else 1)
        assert not old & new


def test_the_recipe_is_one_of_a_classifier() -> None:
    config = read_config(ClassifierConfig, RECIPES / "fashion-classifier.toml")
    assert (config.backbone, config.congruent) == ("hetvs/edgenet", "none")


def test_a_dry_run_prints_the_plan_and_makes_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--dry-run", "--home", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.output
    assert "hetvs train-classifier data/fashion-mnist" in done.stdout
    assert not (tmp_path / "runs").exists()


def finished(update: Update, old: str, new: str) -> Judged:
    """An update whose models are right where a bit is 1."""
    bits = (np.array([bit == "1" for bit in side]) for side in (old, new))
    ids = tuple(f"t{number}" for number in range(len(old)))
    return Judged(update, 1000, ids, flips.per_query(*bits))


def values(rows: list[Row], method: str, seed: int | str = MEAN) -> dict[str, float | None]:
    return {row.metric: row.value for row in rows if (row.method, row.seed) == (method, seed)}


def test_rows_are_means_over_the_seeds_and_compared_with_no_treatment(updates: list[Update]) -> None:
    same = {(u.method, u.seed): u for u in updates if u.scenario == "same"}
    old = "11111100001111110000"
    found = [
        finished(same[NONE, 0], old, "11110011101111001110"),  # 4 lost, 6 won: 14 right
        finished(same[NONE, 1], old, "11111111111111110000"),  # 0 lost, 4 won: 16 right
        finished(same[FOCAL, 0], old, "11111011101111111100"),  # 1 lost, 5 won: 16 right
        finished(same[FOCAL, 1], old, "11111111101111110000"),  # 0 lost, 3 won: 15 right
        finished(same[ELODI, 0], old, old),
    ]
    rows = rows_of(found, 2, "studies.congruent")
    assert values(rows, NONE) == {
        "accuracy": pytest.approx(0.75),
        "nfr": pytest.approx(0.1),
        "pfr": pytest.approx(0.25),
        "relative_nfr": pytest.approx(0.1 / (0.6 * 0.25), abs=1e-6),
    }
    focal = values(rows, FOCAL)
    assert (focal["nfr"], focal["difference/accuracy"]) == (pytest.approx(0.025), pytest.approx(0.025))
    assert focal["reduction/nfr"] == pytest.approx(0.75)
    assert values(rows, ELODI) == {}  # a seed is missing
    assert values(rows, ELODI, 0)["reduction/nfr"] == 1
    assert values(rows, FOCAL, 1)["reduction/nfr"] is None  # nothing to save
    text = page(rows, ["A sentence on search."])
    assert "Focal" in text
    assert "the claim is met" in text
    assert "A sentence on search." in text
    assert "| elodi |" not in text


def test_a_costly_treatment_does_not_meet_the_claim(updates: list[Update]) -> None:
    same = {u.method: u for u in updates if u.scenario == "same" and u.seed == 0}
    old, none, focal = "1" * 10 + "0" * 10, "1" * 8 + "0" * 2 + "1" * 6 + "0" * 4, "1" * 10 + "0" * 10
    rows = rows_of([finished(same[NONE], old, none), finished(same[FOCAL], old, focal)], 1, "studies.congruent")
    assert values(rows, FOCAL)["reduction/nfr"] == 1
    assert "the claim is not met" in page(rows, [])
