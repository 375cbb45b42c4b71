"""The study of search: its plan would be taken, its rows and page say what the columns hold."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hetvs.cli import main as hetvs
from hetvs.config import SearchConfig, SupernetConfig
from hetvs.nas.operators import macs_of
from hetvs.nas.space import space_of
from hetvs.settings import read_config
from studies import columns, search_proxy, search_random
from studies.search.__main__ import SEEDS, main
from studies.search.methods import ANCHORED, BY_LATENCY, FAITHFUL, HELD, METHODS, POINTS, RANDOM
from studies.search.page import page
from studies.search.plan import MOST_LATENCY, MOST_MACS, SIZES, SPACE, SearchPlanner
from studies.search.rows import Found, _judged
from studies.shared.cases import Places
from studies.shared.jobs import with_needs
from studies.shared.rows import MEAN, Row
from studies.shared.tables import Table

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
PROGRAMS = {"columns": columns.main, "search_proxy": search_proxy.main, "search_random": search_random.main}


@pytest.fixture
def planner(tmp_path: Path) -> SearchPlanner:
    """The real study, on the real recipes."""
    return SearchPlanner(Places(home=tmp_path / "runs", recipes=RECIPES), SEEDS)


def parse(words: list[str]) -> None:
    """Parse a command without running it; a UsageError when it would be refused."""
    if words[0] == "hetvs":
        command = hetvs.get_command(click.Context(hetvs), words[1])
        rest = words[2:]
    else:
        assert words[:2] == ["python", "-m"]
        command, rest = PROGRAMS[words[2].removeprefix("studies.")], words[3:]
    assert command is not None, words
    if isinstance(command, click.Group):
        command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
        assert command is not None, words
    command.make_context(command.name, list(rest))


def test_every_command_of_the_study_would_be_taken(planner: SearchPlanner) -> None:
    jobs = with_needs(planner.wanted())
    assert {"latency", "search", "drawn", "proxy", "front", "train", "columns"} <= {job.kind.name for job in jobs}
    for job in jobs:
        words = [*job.words, *(["--threads", "1"] if job.kind.threaded else [])]
        parse(words)
        if job.kind.goes_on:
            parse([*words, job.kind.goes_on])


def test_a_job_stands_after_what_it_needs_and_two_write_nothing_in_common(planner: SearchPlanner) -> None:
    seen: set[str] = set()
    jobs = with_needs(planner.wanted())
    for job in jobs:
        assert {needed.name for needed in job.after} <= seen
        seen.add(job.name)
    assert len({job.output for job in jobs}) == len(jobs)
    assert len({job.record for job in jobs}) == len(jobs)


def test_one_supernet_a_mode_and_three_searches_a_reward(planner: SearchPlanner) -> None:
    jobs = with_needs(planner.wanted())
    assert sum("train-supernet" in job.words for job in jobs) == 2
    searches = [job for job in jobs if job.kind.name == "search"]
    assert len(searches) == 3 * len((*FAITHFUL, ANCHORED, HELD, BY_LATENCY))
    by_latency = [job for job in searches if "R4" in job.words]
    assert len(by_latency) == 3
    assert all((str(MOST_LATENCY) in job.words) == (job in by_latency) for job in searches)
    assert all((str(MOST_MACS) in job.words) != (job in by_latency) for job in searches)


def test_the_student_in_a_gallery_is_of_another_seed_than_those_that_ask(planner: SearchPlanner) -> None:
    for seed in SEEDS:
        search = planner.search(HELD, seed)
        (gallery,) = [job for job in search.after if job.kind.name == "fuse"]
        assert search.words[search.words.index("--teacher") + 1] == str(gallery.output)
        assert not any(f"anchored-s{seed}" in word for word in gallery.words)
        assert any(f"anchored-s{SEEDS[SEEDS.index(seed) - 1]}/points/point-1" in word for word in gallery.words)


def test_methods_are_paired_by_seed(planner: SearchPlanner) -> None:
    contenders = planner.contenders()
    assert {(c.method, c.seed) for c in contenders} == {(method, seed) for method in METHODS for seed in SEEDS}
    for one in contenders:
        if one.method in FAITHFUL:
            words = one.train.words
            assert words[words.index("--seed") + 1] == str(one.seed)
            assert f"{one.method.lower()}-s{one.seed}" in words[words.index("--arch") + 1]


def test_the_recipes_are_settings_and_name_every_mode() -> None:
    modes = [
        read_config(SupernetConfig, RECIPES / f"emoji-small-search-supernet-{mode}.toml").mode
        for mode in ("anchored", "faithful")
    ]
    assert modes == ["anchored", "faithful"]
    assert SearchConfig(candidates=1000, export=POINTS, max_macs=MOST_MACS)


def test_a_random_control_uses_its_budget() -> None:
    first, again, other = (search_random.draw(space_of(SPACE, SIZES), MOST_MACS, 256, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert 0.95 * MOST_MACS <= macs_of(first, 256) <= MOST_MACS


def test_dry_run_prints_the_plan(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--dry-run", "--home", str(tmp_path), "--docs", str(RECIPES.parent)])
    assert done.exit_code == 0, done.output
    assert "hetvs search-student" in done.stdout


def found(method: str, seed: int, hetero: float) -> Found:
    """A network that is right on the first `hetero` of 20 queries in the cloud's gallery, on none in its own."""
    ids = tuple(map(str, range(20)))
    right = (np.arange(20) < 20 * hetero).astype(float)
    names = {
        f"q,{side}/{metric}": right if side == "g" else 0 * right for side in "gq" for metric in ("recall@1", "map")
    }
    return Found((method, seed), 3_000_000, Table(ids, np.array([f"class{n % 10}" for n in range(20)]), names))


def test_rows_compare_seed_by_seed_and_in_the_mean() -> None:
    networks = [found(method, seed, hetero) for seed in (0, 1) for method, hetero in (("R2", 0.8), (RANDOM, 0.4))]
    said = {(method, seed, name): estimate for method, seed, name, estimate in _judged(networks, 2)}
    for seed in (0, 1, MEAN):
        assert said[f"R2 - {RANDOM}", seed, "q,g|difference/map"].value == pytest.approx(0.4)
    assert said["R2", MEAN, "q,g|rule/map"].value == pytest.approx(0.8)
    without_a_seed = [method for method, seed, *_ in _judged(networks[:3], 2) if seed == MEAN]
    assert RANDOM not in without_a_seed


def test_the_page_shows_rows_and_leaves_out_what_is_missing() -> None:
    networks = [found(method, seed, hetero) for seed in (0, 1) for method, hetero in (("R2", 0.8), (RANDOM, 0.4))]
    common = {"study": "search", "dataset": "emoji", "size": "1/80", "command": "c"}
    rows = [
        Row(
            **common,
            protocol="B",
            method=method,
            macs=3_000_000,
            seed=seed,
            metric=name.partition("|")[2],
            pair="q,g" if name.startswith("q,g") else "q,q",
            value=estimate.value,
            lower=estimate.low,
            upper=estimate.high,
        )
        for method, seed, name, estimate in _judged(networks, 2)
    ]
    tau = {"protocol": "", "pair": "", "macs": None, "seed": MEAN, "value": 0.6, "lower": 0.2, "upper": 0.9}
    text = page([*rows, Row(**common, **tau, method=ANCHORED, metric="kendall_tau")])
    assert "| R2 | 3,000,000 | 80.0" in text
    assert f"| R2 - {RANDOM} | +40.0" in text
    assert "0.600 [0.200, 0.900]" in text
    assert "R1" not in text.split("\n\n", 3)[-1]
    assert page([]).startswith("# Searched architectures")
