"""What a search leaves behind: tables, page, tau, the matrix of a family."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.artifacts import EmbeddingSet
from hetvs.errors import ConfigError
from hetvs.files import read_json
from hetvs.manifest import Manifest
from hetvs.nas.candidate import Candidate, front_of
from hetvs.nas.costs import Pricing
from hetvs.nas.extras import require_extras
from hetvs.nas.family import everyone_asks, judge_family
from hetvs.nas.page import Facts, Proxy, write_results
from hetvs.nas.proxy import Pairing, kendall_tau, tau_of
from hetvs.nas.results import table, write_tables
from hetvs.nas.space import SPACES, decode
from hetvs.retrieval.matrix import Contender, Judged

SPACE = SPACES["hetvs-s"]


def candidates(count: int = 6) -> list[Candidate]:
    """Random architectures with scores that are no function of their cost; the last one is screened."""
    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        arch = SPACE.sample(random)
        costs = Pricing(dim=16).costs(arch)
        reward = float(random.random())
        one = Candidate(
            number=number,
            generation=0,
            state="judged",
            arch=arch,
            costs=costs,
            scores={"R2": reward, "quick cosine": 0.5},
            cost=float(costs.macs),
            reward=reward,
        )
        found.append(one)
    return [*found[:-1], replace(found[-1], state="screened", reward=None, scores={"quick cosine": 0.1})]


def test_a_table_holds_genes_costs_and_scores_of_everything() -> None:
    found = candidates()
    rows = list(csv.DictReader(io.StringIO(table(found))))
    assert [decode(json.loads(row["genes"])) for row in rows] == [one.arch for one in found]
    assert [row["reward"] for row in rows] == [*(repr(one.reward) for one in found[:-1]), ""]
    assert all(int(row["macs"]) == one.costs.macs for row, one in zip(rows, found, strict=True))
    assert rows[-1]["R2"] == rows[0]["latency_ratio"] == ""


def test_without_a_judged_candidate_there_is_no_best(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no candidate was judged"):
        write_tables(tmp_path, candidates()[-1:])


def facts(**more: object) -> Facts:
    return replace(
        Facts(reward="R2", cost="MACs", command="hetvs search-student <data>", space_id="abc", hypervolume=0.5), **more
    )


def test_the_page_holds_its_picture_and_every_point_of_the_front(tmp_path: Path) -> None:
    found = candidates()
    write_results(tmp_path, found, facts(latency_error=0.05))
    page = (tmp_path / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert "hetvs search-student &lt;data&gt;" in page
    assert "off by 5.0 % (median)" in page
    for one in front_of(found):
        assert str(one.arch) in page
    assert not (tmp_path / "proxy.json").exists()


def test_a_weak_proxy_is_said_in_the_page_and_in_a_file(tmp_path: Path) -> None:
    pairings = tuple(Pairing(f"run{n}", n / 10, (n * 7 % 10) / 10) for n in range(10))
    proxy = Proxy(tau_of(pairings), pairings)
    assert proxy.is_weak
    write_results(tmp_path, candidates(), facts(proxy=proxy))
    assert "no evidence of a better architecture" in (tmp_path / "report.html").read_text()
    assert len(read_json(tmp_path / "proxy.json")["pairings"]) == 10


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=9))
def test_tau_is_that_of_a_loop_over_pairs(scores: list[tuple[int, int]]) -> None:
    concordant = untied_a = untied_b = 0
    for (a, b), (c, d) in itertools.combinations(scores, 2):
        concordant += int(np.sign(a - c) * np.sign(b - d))
        untied_a, untied_b = untied_a + (a != c), untied_b + (b != d)
    naive = concordant / (untied_a * untied_b) ** 0.5 if untied_a and untied_b else None
    found = kendall_tau(*(list(side) for side in zip(*scores, strict=True)))
    assert found == (None if naive is None else pytest.approx(naive))


def test_tau_has_an_interval_and_asks_for_eight() -> None:
    perfect = [Pairing(f"r{n}", float(n), float(n) ** 2) for n in range(8)]
    found = tau_of(perfect)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    mixed = tau_of([replace(one, alone=-one.alone if n == 3 else one.alone) for n, one in enumerate(perfect)])
    assert mixed.value is not None
    assert mixed.low is not None
    assert mixed.low < mixed.value < 1
    assert tau_of([replace(one, alone=0.5) for one in perfect]).value is None
    with pytest.raises(ConfigError, match="give 8 or more"):
        tau_of(perfect[:7])


def test_a_family_is_judged_pair_by_pair_from_the_weaker_to_the_stronger(
    make_manifest: Callable[..., Manifest], make_vectors: Callable[..., EmbeddingSet]
) -> None:
    """Three models around the same centres, noisier the smaller: every weaker one gains from a stronger gallery."""
    labels = [f"c{n % 12}" for n in range(96)]
    manifest = make_manifest(labels, domains=[f"d{n // 12 % 4}" for n in range(96)])
    judged = Judged.of(manifest, everyone_asks(manifest, "test"))
    sets = {
        name: make_vectors(manifest, noise=noise, seed=seed)
        for seed, (name, noise) in enumerate((("cloud", 0.3), ("middle", 1.2), ("small", 2.2)))
    }
    vectors = {name: judged.align(Contender(name, one)) for name, one in sets.items()}
    family = judge_family(judged, vectors)
    assert {(pair.query, pair.gallery) for pair in family.pairs} == {
        ("middle", "cloud"),
        ("small", "cloud"),
        ("small", "middle"),
    }
    assert family.satisfied == 1
    assert set(family.scores) == set(itertools.product(vectors, vectors))
    assert family.to_json()["satisfied"] == 1
    alone = judge_family(judged, {"cloud": vectors["cloud"]})
    assert alone.satisfied is None


def test_a_missing_extra_is_one_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extras()
    monkeypatch.setattr("hetvs.nas.extras.find_spec", lambda name: None if name == "optuna" else object())
    with pytest.raises(ConfigError, match=r"needs optuna; run: pip install 'hetvs\[search\]'"):
        require_extras()


def test_without_domains_everyone_asks_all_others(make_manifest: Callable[..., Manifest]) -> None:
    manifest = make_manifest(["a", "a", "b", "b"])
    (group,) = everyone_asks(manifest, "test").groups
    assert group.query_rows.tolist() == group.gallery_rows.tolist() == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="has no rows"):
        everyone_asks(manifest, "val")
