from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.cli import main
from hetvs.config import ClustersConfig
from hetvs.errors import ConfigError
from hetvs.refresh.clusters import adjusted_rand, cluster, jackknifed_ari, survival

partition = st.lists(st.integers(0, 4), min_size=2, max_size=30)


def gallery(n_classes: int, noise: float, seed: int, spread: int = 6) -> np.ndarray:
    centres = np.random.default_rng(99).normal(size=(n_classes, 16))
    rows = np.repeat(centres, spread, axis=0)
    rows = rows + noise * np.random.default_rng(seed).normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_hand_worked_survival():
    """Before: aaa bbb cc d; after: a whole, b in two, c and d together."""
    before = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3])
    after = np.array([5, 5, 5, 6, 6, 7, 8, 8, 8])
    found = survival(before, after)
    assert (found.before, found.after) == (3, 3)  # singles aside
    assert (found.kept, found.split, found.merged) == (1, 1, 1)
    assert found.ari.value == pytest.approx(131 / 203, abs=1e-12)  # (5 - 49/36) / (7 - 49/36): 5 of 7 pairs stay
    assert found.ari.reason == "an interval needs 20 clusters, there are 4"


@given(before=partition, seed=st.integers(0, 20))
def test_the_rand_index_equals_counting_pairs(before: list[int], seed: int):
    after = np.random.default_rng(seed).integers(0, 3, len(before))
    sides = np.array(before), after
    first, second = (side[:, None] == side[None, :] for side in sides)
    upper = np.triu(np.ones((len(before), len(before)), dtype=bool), k=1)
    both, one, two, pairs = ((m & upper).sum() for m in (first & second, first, second, np.ones_like(first)))
    expected = one * two / pairs
    if (one + two) / 2 == expected:  # both sides all apart, or all together: nothing can disagree
        assert adjusted_rand(*sides) == 1.0
    else:
        assert adjusted_rand(*sides) == pytest.approx((both - expected) / ((one + two) / 2 - expected), abs=1e-9)


@given(before=partition)
def test_nothing_happens_to_clusters_that_are_only_renumbered(before: list[int]):
    sides = np.array(before), 7 - np.array(before)
    found = survival(*sides)
    assert found.ari.value == 1.0
    assert (found.split, found.merged, found.kept) == (0, 0, found.before)


@pytest.mark.parametrize("method", ["hdbscan", "agglomerative"])
def test_clusters_of_clear_classes_are_the_classes(method: str):
    labels = np.repeat(np.arange(25), 6)
    found = cluster(gallery(25, 0.02, seed=1), ClustersConfig(method=method, distance=0.1, threads=1))
    assert adjusted_rand(labels, found) == 1.0
    interval = jackknifed_ari(labels, found)
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_a_blurred_gallery_keeps_fewer_clusters_and_has_an_interval():
    config = ClustersConfig(threads=1)
    before = cluster(gallery(40, 0.1, seed=1), config)
    near, far = (survival(before, cluster(gallery(40, noise, seed=2), config)).ari for noise in (0.15, 0.9))
    assert near.value is not None
    assert far.value is not None
    assert near.value > far.value
    assert far.low is not None
    assert far.high is not None
    assert far.low < far.value < far.high


def test_the_command_compares_by_image_id(tmp_path: Path):
    space = SpaceCard(teacher_digest="s", preprocess_digest="toy", dim=16)
    rows, ids = gallery(25, 0.05, seed=1), np.array([f"i{number:03d}" for number in range(150)])
    EmbeddingSet(rows, tuple(ids.tolist()), space, "v1").save(tmp_path / "before")
    moved = np.random.default_rng(0).permutation(150)[:140]
    EmbeddingSet(rows[moved], tuple(ids[moved].tolist()), space, "v2").save(tmp_path / "after")
    words = ["clusters", str(tmp_path / "before"), str(tmp_path / "after"), "--json", "--threads", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout).values()
    assert (found["images"], found["ari"]["value"], found["split"]) == (140, 1.0, 0)
    EmbeddingSet(rows[:2], ("x", "y"), space, "v2").save(tmp_path / "others")
    result = CliRunner().invoke(main, ["clusters", str(tmp_path / "before"), str(tmp_path / "others")])
    assert result.exit_code == 1
    assert "have no image id in common" in result.stderr


def test_without_scikit_learn_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch):
    for name in ("sklearn.cluster", "sklearn.metrics"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'hetvs\[clusters\]'"):
        cluster(gallery(4, 0.1, seed=0), ClustersConfig())
    with pytest.raises(ConfigError, match=r"pip install 'hetvs\[clusters\]'"):
        adjusted_rand(np.array([0, 1]), np.array([0, 1]))
