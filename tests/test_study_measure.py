"""Rows from values per query: means over seeds, pairing, and everything that compares cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.errors import ArtifactError
from hetvs.preprocess import Preprocess
from studies.compatibility.rows import Rows
from studies.shared.cases import Case, Dataset
from studies.shared.contest import Contest, Measured
from studies.shared.methods import BASELINE, BEHIND, CLOUD, DEFAULT, LEAD
from studies.shared.rows import MEAN, Row
from studies.shared.tables import Table

DATA = Dataset(name="toy", folder=Path("toy"), protocols=("B",))
QUERIES = 40
CLOUD_CASE = Case(DATA, "1", CLOUD)
SEEDS = {CLOUD_CASE: 1, **{Case(DATA, "1/80", method): 2 for method in (DEFAULT, "anchor", BASELINE)}}
RANDOM = np.random.default_rng(0)
SPACE = SpaceCard(teacher_digest="t", preprocess_digest="p", dim=4)
CARD = ModelCard(
    name="toy", role="student", backbone="b", space=SPACE, preprocess=Preprocess(size_px=16), weights_digest="w",
    macs=1000, parameters=10,
)  # fmt: skip


def bits(share: float) -> np.ndarray:
    return (RANDOM.random(QUERIES) < share).astype(float)


def measured(case: Case, seed: int, columns: dict[str, np.ndarray], ids: str = "i") -> Measured:
    names = tuple(f"{ids}{n}" for n in range(QUERIES))
    return Measured(case, seed, CARD, {"B": Table(names, np.arange(QUERIES).astype(str), columns)})


def student(case: Case, seed: int, share: float) -> Measured:
    values = {f"{pair}/{metric}": bits(share) for pair in ("q,g", "q,q") for metric in ("recall@1", "map")}
    return measured(case, seed, {**values, "q,g/overlap@10": bits(0.5)})


@pytest.fixture(scope="module")
def models() -> list[Measured]:
    found = [measured(CLOUD_CASE, 7, {"g,g/recall@1": bits(0.9), "g,g/map": bits(0.8)})]
    for seed in (0, 1):
        found += [student(Case(DATA, "1/80", DEFAULT), seed, 0.7), student(Case(DATA, "1/80", "anchor"), seed, 0.6)]
        own = {"base,base/recall@1": bits(0.3), "base,base/map": bits(0.3)}
        found.append(measured(Case(DATA, "1/80", BASELINE), seed, own))
    return found


def rows_of(models: list[Measured]) -> dict[tuple[str, int | str, str, str], Row]:
    contest = Contest.of("B", models, SEEDS)
    made = Rows("toy-study", "studies.toy", contest, dict.fromkeys(SEEDS, 1000)).all()
    return {(row.method, row.seed, row.metric, row.pair): row for row in made}


def value(models: list[Measured], method: str, seed: int, column: str) -> np.ndarray:
    return next(m for m in models if (m.case.method, m.seed) == (method, seed)).tables["B"].columns[column]


def test_the_mean_row_is_the_mean_of_the_seeds(models: list[Measured]) -> None:
    rows = rows_of(models)
    expected = np.mean([value(models, DEFAULT, seed, "q,g/map").mean() for seed in (0, 1)])
    assert rows[DEFAULT, MEAN, "map", "q,g"].value == pytest.approx(expected, abs=1e-6)
    assert rows[CLOUD, MEAN, "map", "g,g"].value == rows[CLOUD, 7, "map", "g,g"].value


def test_what_compares_cells_follows_its_formula(models: list[Measured]) -> None:
    rows = rows_of(models)

    def at(method: str, metric: str, pair: str) -> float:
        found = rows[method, MEAN, metric, pair].value
        assert found is not None
        return found

    q_g, q_q, g_g = at(DEFAULT, "map", "q,g"), at(DEFAULT, "map", "q,q"), at(CLOUD, "map", "g,g")
    base = at(BASELINE, "map", "base,base")
    assert at(DEFAULT, "rule/map", "q,g") == pytest.approx(q_g - q_q, abs=2e-6)
    assert at(DEFAULT, "retention/map", "q,g") == pytest.approx(q_g / g_g, abs=1e-5)
    assert at(DEFAULT, "recovery/map", "q,g") == pytest.approx((q_g - base) / (g_g - base), abs=1e-4)
    assert at("default - anchor", "difference/map", "q,g") == pytest.approx(q_g - at("anchor", "map", "q,g"), abs=2e-6)
    assert at(BEHIND, "difference/map", "q,g") == pytest.approx(q_g - g_g, abs=2e-6)
    assert at(LEAD, "difference/map", "base,base") == pytest.approx(g_g - base, abs=2e-6)


def test_flips_are_counted_query_by_query(models: list[Measured]) -> None:
    flipped = [
        sum(g > q for g, q in zip(*pair, strict=True)) / QUERIES
        for seed in (0, 1)
        for pair in [(value(models, CLOUD, 7, "g,g/recall@1"), value(models, DEFAULT, seed, "q,g/recall@1"))]
    ]
    assert rows_of(models)[DEFAULT, MEAN, "nfr@1", "q,g"].value == pytest.approx(np.mean(flipped), abs=1e-6)


def test_a_difference_is_paired(models: list[Measured]) -> None:
    """A method that is the default with one query less right differs by that query, whatever is drawn."""
    anchor = Case(DATA, "1/80", "anchor")
    changed = []
    for m in models:
        columns = dict(m.tables["B"].columns)
        if m.case == anchor:
            columns = {name: v.copy() for name, v in _of_default(models, m.seed).items()}
            columns["q,g/map"][np.flatnonzero(columns["q,g/map"])[0]] = 0.0
        changed.append(measured(m.case, m.seed, columns))
    row = rows_of(changed)["default - anchor", 0, "difference/map", "q,g"]
    assert row.value == pytest.approx(1 / QUERIES)
    assert row.lower == 0.0
    assert row.upper is not None
    assert row.upper <= 4 / QUERIES


def _of_default(models: list[Measured], seed: int) -> dict[str, np.ndarray]:
    return next(m for m in models if (m.case.method, m.seed) == (DEFAULT, seed)).tables["B"].columns


def test_a_student_that_is_the_cloud_model_is_no_point_behind(models: list[Measured]) -> None:
    """The interval is paired: it has no width, where that of the paragon itself has some."""
    paragon = models[0].tables["B"].columns
    same = [models[0]]
    for m in models[1:]:
        columns = m.tables["B"].columns
        if m.case.method == DEFAULT:
            columns = {**columns, "q,g/map": paragon["g,g/map"]}
        same.append(measured(m.case, m.seed, columns))
    rows = rows_of(same)
    row = rows[BEHIND, MEAN, "difference/map", "q,g"]
    assert (row.value, row.lower, row.upper) == (0.0, 0.0, 0.0)
    cloud = rows[CLOUD, MEAN, "map", "g,g"]
    assert cloud.lower is not None
    assert cloud.upper is not None
    assert cloud.lower < cloud.upper


def test_rows_of_a_variant_carry_the_name_of_its_family(models: list[Measured]) -> None:
    variant = replace(DATA, name="toy-unseen", family="toy")
    moved = [measured(replace(m.case, dataset=variant), m.seed, m.tables["B"].columns) for m in models]
    seeds = {replace(case, dataset=variant): count for case, count in SEEDS.items()}
    rows = list(Rows("toy-study", "studies.toy", Contest.of("B", moved, seeds), dict.fromkeys(seeds, 1000)).all())
    assert {row.dataset for row in rows} == {"toy"}
    assert "--only toy-unseen/1-80-default" in next(row for row in rows if row.method == DEFAULT).command


def test_a_seed_that_is_missing_leaves_no_mean(models: list[Measured]) -> None:
    rows = rows_of([m for m in models if (m.case.method, m.seed) != (DEFAULT, 1)])
    assert (DEFAULT, 0, "map", "q,g") in rows
    assert (DEFAULT, MEAN, "map", "q,g") not in rows
    assert ("default - anchor", MEAN, "difference/map", "q,g") not in rows


def test_models_that_were_judged_on_other_queries_are_refused(models: list[Measured]) -> None:
    stranger = measured(Case(DATA, "1/80", "anchor"), 0, {"q,g/recall@1": bits(0.5)}, ids="j")
    with pytest.raises(ArtifactError, match="other queries"):
        rows_of([models[0], stranger])
