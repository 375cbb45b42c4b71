"""Evolution, budget, history: on a judge that is a formula."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hetvs.config import SearchConfig
from hetvs.errors import ConfigError
from hetvs.nas.breeding import Breeder
from hetvs.nas.candidate import Candidate, best_of, front_of, judged
from hetvs.nas.costs import Budget, Costs, Pricing
from hetvs.nas.front import front, hypervolume
from hetvs.nas.samplers import CROSSED, KEEP, POPULATION
from hetvs.nas.search import Judges, Plan, Progress, work
from hetvs.nas.space import SPACES, Architecture
from tests.toy_search import DIM, MOST, score, toy

SPACE = SPACES["hetvs-s"]
TOY = Path(__file__).with_name("toy_search.py")
JUDGES = Judges(quick=score, full=score)


def searched(path: Path, mode: str, candidates: int, *, seed: int = 0, screened: float = 0.5) -> list[Candidate]:
    history, plan = toy(path, mode, candidates, seed=seed, screened=screened)
    work(history, plan, JUDGES, lambda progress: None)
    return history.candidates()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> list[Candidate]:
    return searched(tmp_path_factory.mktemp("published") / "search.log", "published", 110)


@pytest.fixture(scope="module")
def on_front(tmp_path_factory: pytest.TempPathFactory) -> list[Candidate]:
    return searched(tmp_path_factory.mktemp("front") / "search.log", "front", 80)


@pytest.mark.parametrize("name", ["published", "on_front"])
def test_the_limit_is_never_broken_and_nothing_is_tried_twice(name: str, request: pytest.FixtureRequest) -> None:
    candidates: list[Candidate] = request.getfixturevalue(name)
    assert all(one.costs.macs <= MOST for one in candidates)
    assert len({one.arch for one in candidates}) == len(candidates)


def test_published_evolution_keeps_ten_and_breeds_from_them_alone(published: list[Candidate]) -> None:
    """Every gene of a crossed child is one of its parents', so the parents of generation 1 are the best 10."""
    first = [one for one in published if one.generation == 0]
    assert len(first) == POPULATION
    parents = sorted(first, key=lambda one: -one.point[1])[:KEEP]
    crossed = [one for one in published if one.generation == 1][:CROSSED]
    widths = {one.arch.width for one in parents}
    assert all(one.arch.width in widths for one in crossed)
    assert all(one.state == "judged" for one in published)


def test_the_best_never_falls_and_evolution_beats_chance(published: list[Candidate]) -> None:
    rewards = [one.point[1] for one in published]
    best = [max(rewards[: n + 1]) for n in range(len(rewards))]
    assert best == sorted(best)
    assert max(rewards[POPULATION:]) > max(rewards[:POPULATION])


def test_the_front_begins_with_the_smallest_and_spreads(on_front: list[Candidate]) -> None:
    assert on_front[0].arch == SPACE.smallest()
    found = front_of(on_front)
    assert len(found) >= 5
    assert all(a.cost < b.cost and a.point[1] < b.point[1] for a, b in itertools.pairwise(found))


def test_screening_leaves_some_out_and_they_have_no_reward(on_front: list[Candidate]) -> None:
    left = [one for one in on_front if one.state == "screened"]
    assert 0 < len(left) < len(on_front)
    assert all(one.reward is None and "quick cosine" in one.scores and "R2" not in one.scores for one in left)
    assert len(judged(on_front)) + len(left) == len(on_front)


def test_the_same_seed_gives_the_same_history_another_seed_another(tmp_path: Path) -> None:
    first, again = (searched(tmp_path / name, "front", 40) for name in ("a.log", "b.log"))
    assert first == again
    assert searched(tmp_path / "c.log", "front", 40, seed=1) != first


@pytest.mark.parametrize("mode", ["front", "published"])
def test_killed_at_any_time_it_goes_on_as_if_it_had_not_been(tmp_path: Path, mode: str) -> None:
    """Two kills of one worker, the second beside half a line of the journal."""
    killed = tmp_path / "killed.log"
    for dies_at in (17, 53):
        done = subprocess.run([sys.executable, TOY, killed, mode, "56", str(dies_at)], check=False, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with killed.open("ab") as stream:
        stream.write(b'{"op_code":8,"worker')
    subprocess.run([sys.executable, TOY, killed, mode, "56", "-1"], check=True)
    history, _ = toy(killed, mode, 56)
    assert history.candidates() == searched(tmp_path / "whole.log", mode, 56)


def test_two_workers_share_one_history(tmp_path: Path) -> None:
    shared = tmp_path / "shared.log"
    workers = [subprocess.Popen([sys.executable, TOY, shared, "front", "30", "-1"]) for _ in range(2)]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    history, _ = toy(shared, "front", 30)
    found = history.candidates()
    assert 30 <= len(found) <= 31  # both may ask for the last one
    assert {one.number for one in found} == set(range(len(found)))


def test_a_search_is_not_resumed_with_other_settings(tmp_path: Path) -> None:
    toy(tmp_path / "search.log", "front", 10)
    with pytest.raises(ConfigError, match="begun with seed = 0, not 1"):
        toy(tmp_path / "search.log", "front", 10, seed=1)


def test_what_cannot_be_judged_is_given_up_and_the_error_passes(tmp_path: Path) -> None:
    history, plan = toy(tmp_path / "search.log", "front", 10)

    def broken(arch: Architecture) -> dict[str, float]:
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        work(history, plan, Judges(quick=score, full=broken), lambda progress: None)
    assert history.count() == 0


@given(st.integers(0, 2**32 - 1), st.sampled_from([4.2e5, 6e5, 2e6]))
@settings(max_examples=15, deadline=None)
def test_what_is_bred_fits_even_a_tight_budget_and_is_new(seed: int, macs: float) -> None:
    pricing, budget = Pricing(dim=DIM), Budget(macs=macs)
    breeder = Breeder(SPACE, lambda arch: budget.allows(pricing.costs(arch)))
    rng = np.random.default_rng(seed)
    seen: list[Architecture] = []
    for _ in range(3):
        seen.append(breeder.fresh(seen, rng))
    for breed in (breeder.crossed, breeder.mutated):
        seen.append(breed(seen, seen, rng))
    assert len(set(seen)) == len(seen)
    for arch in seen:
        SPACE.validate(arch)
        assert pricing.costs(arch).macs <= macs


def test_a_budget_below_the_smallest_is_refused() -> None:
    config = SearchConfig(max_macs=1000.0)
    with pytest.raises(ConfigError, match="the smallest architecture of hetvs-s at 32 px has"):
        Plan.of(SPACE, Pricing(dim=DIM), config, faithful=False)
    assert Plan.of(SPACE, Pricing(dim=DIM), SearchConfig(screen=0.3), faithful=True).screened == 1


def test_a_space_that_is_used_up_says_so() -> None:
    pricing = Pricing(dim=DIM)
    smallest = pricing.costs(SPACE.smallest()).macs
    breeder = Breeder(SPACE, lambda arch: pricing.costs(arch).macs <= smallest)
    with pytest.raises(ConfigError, match="no new architecture of hetvs-s fits the budget after 1"):
        breeder.fresh({SPACE.smallest()}, np.random.default_rng(0))


def test_int8_takes_fewer_bytes_and_the_same_macs() -> None:
    floats, ints = (Pricing(dim=DIM, precision=name).costs(SPACE.largest()) for name in ("fp32", "int8"))
    assert ints.bytes < floats.bytes / 2
    assert ints.macs == floats.macs


POINTS = st.lists(st.tuples(st.integers(1, 9).map(float), st.integers(0, 10).map(lambda n: n / 10)), max_size=8)


@given(POINTS)
@settings(max_examples=60)
def test_hypervolume_is_the_share_of_cells_that_are_dominated(points: list[tuple[float, float]]) -> None:
    """Costs 0..10 and scores 0..1 in cells of 1 x 0.1, counted one by one."""
    cells = [(cost + 0.5, (score + 0.5) / 10) for cost in range(10) for score in range(10)]
    dominated = [any(c <= cost and s >= score for c, s in points) for cost, score in cells]
    assert hypervolume(points, 10.0) == pytest.approx(float(np.mean(dominated)))


@given(POINTS)
@settings(max_examples=60)
def test_the_front_is_what_nothing_dominates(points: list[tuple[float, float]]) -> None:
    def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
        return a != b and a[0] <= b[0] and a[1] >= b[1]

    naive = {p for p in points if not any(dominates(q, p) for q in points)}
    assert set(front(points, lambda point: point)) == naive


def test_progress_of_nothing_and_of_the_best(on_front: list[Candidate]) -> None:
    assert str(Progress.of([], MOST)) == "generation 0  best -  hypervolume 0.0000"
    progress = Progress.of(on_front, MOST)
    best = best_of(on_front)
    assert best is not None
    assert progress.done == len(on_front)
    assert progress.best == best.reward
    assert 0 < progress.hypervolume < 1


def test_latency_is_the_cost_where_a_table_is(tmp_path: Path) -> None:
    costs = Costs(macs=5, parameters=1, bytes=9, latency_ratio=0.25)
    assert not Budget(latency_ratio=0.2).allows(costs)
    assert Plan.of(SPACE, Pricing(dim=DIM), SearchConfig(), faithful=False).cost(costs) == 0.25
    with pytest.raises(ConfigError, match="add --latency-table"):
        SearchConfig(reward="R4")
