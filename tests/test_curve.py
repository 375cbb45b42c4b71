from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.config import CurveConfig
from hetvs.manifest import Manifest
from hetvs.refresh import curve, order
from hetvs.refresh.judge_curve import NO_MAP, RANDOM, Sides, judge_curves, refreshed
from hetvs.refresh.order import class_mean_distances, isolations, random_scores, ranked
from hetvs.retrieval.intervals import Sample
from hetvs.retrieval.matrix import Judged, cell
from hetvs.retrieval.protocols import protocol_of

CONFIG = CurveConfig(draws=200, points=5, seeds=2, threads=1)


def exact(*values: float) -> list[Sample]:
    """Samples without draws: the plain arithmetic."""
    return [Sample(value, np.empty(0)) for value in values]


def drawn(*draws: list[float]) -> list[Sample]:
    return [Sample(float(np.mean(one)), np.array(one)) for one in draws]


def test_the_worked_example_of_the_backfill_curve():
    share_P, values = np.array([0, 0.25, 0.5, 1]), exact(0.40, 0.50, 0.48, 0.60)
    area = curve.area(share_P, values)
    assert area.value == pytest.approx(0.505, abs=1e-12)
    assert curve.violations([0.40, 0.50, 0.48, 0.60]) == 1
    normalised = curve.normalised_area(area, exact(0.38)[0], exact(0.60)[0])
    assert normalised.value == pytest.approx(0.5681818, abs=1e-7)
    assert curve.area(np.array([0, 0.5, 1]), exact(0.40, 0.55, 0.60)).value == pytest.approx(0.525, abs=1e-12)


def test_a_new_model_that_is_no_better_has_no_normalised_area():
    found = curve.normalised_area(*exact(0.5, 0.6, 0.6))
    assert found.value is None
    assert found.reason == "the new model is not better than the old one"


@pytest.mark.parametrize("shares", [[0, 0.5], [0.1, 1], [0, 0.5, 0.5, 1], [1], [0, 0.7, 0.6, 1]])
def test_a_curve_begins_at_0_and_ends_at_1(shares: list[float]):
    with pytest.raises(ValueError, match="ascend from 0 to 1"):
        curve.trapezoid_weights(np.array(shares))


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=9), seed=st.integers(0, 99))
def test_the_area_is_the_naive_sum_and_lies_between_its_points(values: list[float], seed: int):
    inner = np.sort(np.random.default_rng(seed).choice(np.arange(1, 999), len(values) - 2, replace=False)) / 999
    share_P = np.array([0, *inner, 1])
    steps = zip(share_P, share_P[1:], values, values[1:], strict=False)
    naive = sum((right - left) * (a + b) / 2 for left, right, a, b in steps)
    found = curve.area(share_P, exact(*values)).value
    assert found == pytest.approx(naive, abs=1e-12)
    assert min(values) - 1e-12 <= found <= max(values) + 1e-12


def test_a_dip_is_judged_by_the_lowest_point_of_every_draw():
    """Each point is above the level on average; in each draw another one is not, so nothing is shown."""
    points = drawn([0.5, 0.1] * 50, [0.1, 0.5] * 50)
    found = curve.dip(np.array([0.5, 1]), points, Sample(0.2, np.full(100, 0.2)))
    assert found.rule.difference.value == pytest.approx(0.1)
    assert found.rule.difference.low == pytest.approx(-0.1)
    assert found.rule.verdict == "does not hold"
    above = curve.dip(np.array([0.5, 1]), points, Sample(0.05, np.full(100, 0.05)))
    assert (above.rule.verdict, above.share) == ("holds", 0.5)


@pytest.fixture
def judged(make_manifest: Callable[..., Manifest]) -> Judged:
    manifest = make_manifest([f"c{number // 5}" for number in range(40)])
    return Judged.of(manifest, protocol_of(manifest, "manifest"))


@pytest.fixture
def sides(judged: Judged) -> Sides:
    """A new model that is better than the old one, in its space."""
    random = np.random.default_rng(0)
    centre_nD = random.normal(size=(8, 16))[np.arange(40) // 5]

    def unit(noise: float) -> np.ndarray:
        rows_nD = centre_nD + noise * random.normal(size=(40, 16))
        return (rows_nD / np.linalg.norm(rows_nD, axis=1, keepdims=True)).astype(np.float32)

    old = unit(1.0)
    return Sides(old, unit(0.3), old)


def order_of(judged: Judged, seed: int) -> np.ndarray:
    return ranked(random_scores(judged.ids.tolist(), seed), judged.ids.tolist())


def test_the_ends_of_a_curve_are_cells_of_the_matrix(judged: Judged, sides: Sides):
    report = judge_curves(judged, sides, {RANDOM: [order_of(judged, s) for s in (0, 1)]}, CONFIG)
    (found,) = report.curves
    for point, query_nD, gallery_nD in (
        (found.points[0], sides.new_nD, sides.old_nD),
        (found.points[-1], sides.new_nD, sides.new_nD),
        (report.old_old, sides.old_nD, sides.old_nD),
    ):
        scores = cell(judged, ("q", query_nD), ("g", gallery_nD), (1,), threads=1)
        assert point.value == pytest.approx(scores.per_query["map"].mean(), abs=1e-12)
    assert found.shares == (0, 0.25, 0.5, 0.75, 1)
    assert found.seeds == 2
    assert found.band[0][0] == found.band[0][1]  # every order begins alike
    assert found.gains == {}


def test_a_point_is_that_of_a_gallery_refreshed_row_by_row(judged: Judged, sides: Sides):
    order = order_of(judged, 3)
    report = judge_curves(judged, sides, {"access": [order]}, CONFIG)
    gallery_nD = sides.old_nD.copy()
    for row in order[:10]:
        gallery_nD[row] = sides.new_nD[row]
    np.testing.assert_array_equal(refreshed(sides.old_nD, sides.new_nD, order, 10), gallery_nD)
    scores = cell(judged, ("q", sides.new_nD), ("g", gallery_nD), (1,), threads=1)
    assert report.curves[0].points[1].value == pytest.approx(scores.per_query["map"].mean(), abs=1e-12)


def test_an_order_is_compared_with_random_and_a_map_with_none(judged: Judged, sides: Sides):
    worst_first = ranked(np.linalg.norm(sides.new_nD - sides.old_nD, axis=1), judged.ids.tolist())
    orders = {"uncertainty": [worst_first], RANDOM: [order_of(judged, seed) for seed in range(3)]}
    stranger = np.roll(sides.old_nD, 5, axis=1)
    with_map = Sides(stranger, sides.new_nD, sides.old_nD, stranger)
    report = judge_curves(judged, with_map, orders, CONFIG)
    assert [found.name for found in report.curves] == ["uncertainty", RANDOM, NO_MAP]
    first, random, control = report.curves
    assert {*first.gains} == {RANDOM, NO_MAP}
    assert {*random.gains} == {NO_MAP}
    assert control.gains == {}
    for rival, other in ((RANDOM, random), (NO_MAP, control)):
        difference = first.gains[rival].difference.value
        assert difference == pytest.approx((first.area.value or 0) - (other.area.value or 0), abs=1e-12)
    assert first.gains[NO_MAP].verdict == "holds"
    assert "area above that of random" in "\n".join(report.sentences())


def test_a_curve_below_its_start_is_no_claim_of_ract(judged: Judged, sides: Sides):
    spoilt = Sides(sides.old_nD, sides.new_nD, sides.old_nD, np.roll(sides.old_nD, 5, axis=1))
    report = judge_curves(judged, spoilt, {"access": [order_of(judged, 0)]}, CONFIG)
    kept, lost = report.curves
    assert kept.above_old.rule.verdict == "holds"
    assert lost.above_old.rule.verdict == "does not hold"
    assert lost.above_old.share < 1


def test_permuted_images_give_the_same_order_by_id():
    ids = [f"i{number:02d}" for number in range(30)]
    permuted = np.random.default_rng(1).permutation(30)
    for scored in (lambda names: random_scores(names, 7), lambda names: np.zeros(len(names))):
        one = [ids[row] for row in ranked(scored(ids), ids)]
        moved = [ids[row] for row in permuted]
        assert one == [moved[row] for row in ranked(scored(moved), moved)]
    assert [ids[row] for row in ranked(np.zeros(30), ids)] == ids  # a constant score is the order of the ids


@given(seed=st.integers(0, 50))
def test_distances_to_class_means_equal_a_loop(seed: int):
    random = np.random.default_rng(seed)
    vectors_nD = random.normal(size=(12, 4))
    vectors_nD /= np.linalg.norm(vectors_nD, axis=1, keepdims=True)
    labels = random.integers(0, 4, 12).astype(str)
    for row, found in enumerate(class_mean_distances(vectors_nD, labels)):
        mean = vectors_nD[labels == labels[row]].mean(axis=0)
        assert found == pytest.approx(1 - vectors_nD[row] @ mean / np.linalg.norm(mean), abs=1e-9)


def test_isolation_equals_a_naive_loop_and_leaves_out_the_image_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "BLOCK", 7)
    vectors_nD = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    vectors_nD /= np.linalg.norm(vectors_nD, axis=1, keepdims=True)
    ids = [f"{row:02d}" for row in range(30)]
    found = isolations(vectors_nD, ids, threads=1)
    for row in range(30):
        others = sorted((float(vectors_nD[row] @ vectors_nD[i]) for i in range(30) if i != row), reverse=True)
        assert found[row] == pytest.approx(1 - np.mean(others[:10]), abs=1e-6)
    assert isolations(vectors_nD[:1], ids[:1], threads=1).tolist() == [1.0], "nothing is near a single image"


def test_isolation_looks_among_a_draw_of_others_that_does_not_depend_on_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "OTHERS", 12)
    rng = np.random.default_rng(1)
    vectors_nD = rng.normal(size=(40, 4)).astype(np.float32)
    vectors_nD /= np.linalg.norm(vectors_nD, axis=1, keepdims=True)
    ids = np.array([f"{row:02d}" for row in range(40)])
    turned = rng.permutation(40)
    again = isolations(vectors_nD[turned], ids[turned].tolist(), threads=1)
    np.testing.assert_allclose(again, isolations(vectors_nD, ids.tolist(), threads=1)[turned], atol=1e-6)
