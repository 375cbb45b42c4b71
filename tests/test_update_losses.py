"""The terms of an update against naive loops, at known angles, and against what they promise."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hetvs.losses.influence import influence
from hetvs.losses.lce import boundary, centre_distance, lce, radii
from hetvs.losses.mixed import mixed
from hetvs.losses.prototypes import class_means, near_rows
from hetvs.losses.smoothing import smoothed, smoothed_means
from hetvs.losses.soft_influence import soft_influence
from hetvs.models.block import in_old_space, old_block
from hetvs.models.embedder import Embedder
from hetvs.preprocess import Preprocess


def at(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=-1)


LABELS = torch.tensor([0, 3, 1, 7, -1])  # of 4 old classes; 7 is a class that the old head lacks


def log_softmax(scores: list[float]) -> list[float]:
    total = math.log(sum(math.exp(score) for score in scores))
    return [score - total for score in scores]


def test_soft_influence_equals_a_naive_loop() -> None:
    query, teacher, rows = unit(5, 6, 1), unit(5, 6, 2), unit(4, 6, 3)
    expected = 0.0
    for q, g, label in zip(query, teacher, LABELS.tolist(), strict=True):
        said = log_softmax([8 * float(q @ row) for row in rows])
        target = [math.exp(value) for value in log_softmax([8 * float(g @ row) for row in rows])]
        if 0 <= label < 4:
            target = [float(c == label) for c in range(4)]
        expected -= sum(t * s for t, s in zip(target, said, strict=True)) / 5
    assert soft_influence(query, teacher, rows, LABELS, scale=8.0).item() == pytest.approx(expected, rel=1e-12)


def test_a_batch_of_known_classes_has_no_soft_answer() -> None:
    known = torch.tensor([0, 3, 1, 2, 2])
    args = (unit(4, 6, 3), known)
    soft = soft_influence(unit(5, 6, 1), unit(5, 6, 2), *args, scale=8.0)
    torch.testing.assert_close(soft, influence(unit(5, 6, 1), *args, scale=8.0))


def test_one_known_and_one_unknown_class_by_every_route() -> None:
    """P at 0 degrees; the new class 1 is seen by the old model at 90. q at 30 (class 0) and at 60 (class 1)."""
    query, old, labels = at(30, 60), at(0, 90), torch.tensor([0, 1])
    head = at(0)
    restricted = influence(query, head, labels, scale=4.0)
    assert restricted.item() == pytest.approx(0, abs=1e-12)  # one row alone is always right; class 1 has no term
    complete = torch.cat([head, class_means(old, labels)[1:]])
    assert influence(query, complete, labels, scale=4.0).item() == pytest.approx(0.2080589, abs=1e-7)
    two_rows = at(0, 180)
    answer = F.softmax(4 * at(90) @ two_rows.T, dim=1)  # the old model cannot tell: half and half
    torch.testing.assert_close(answer, torch.full((1, 2), 0.5, dtype=torch.float64))
    unseen = torch.tensor([5])
    wanted = -F.log_softmax(4 * at(60) @ two_rows.T, dim=1).mean()
    torch.testing.assert_close(soft_influence(at(60), at(90), two_rows, unseen, scale=4.0), wanted)


def no_known(query: Tensor) -> list[Tensor]:
    labels = torch.tensor([7, -1, 9, 4, 5])
    return [
        influence(query, unit(4, 6, 3), labels, scale=8.0),
        boundary(query, unit(4, 6, 3), torch.ones(4, dtype=torch.float64), labels),
    ]


def test_a_batch_with_no_known_class_gives_0_and_no_gradient() -> None:
    for number in range(2):
        query = unit(5, 6, 1).requires_grad_()
        loss = no_known(query)[number]
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, query)
        assert not gradient.any()


def test_lce_equals_a_naive_loop() -> None:
    query, own, centres = unit(5, 6, 1), unit(4, 6, 4), unit(4, 6, 3)
    radius = torch.tensor([0.9, 0.8, 0.7, 0.6], dtype=torch.float64)
    square = sum(float(own[c, d] - centres[c, d]) ** 2 for c in range(4) for d in range(6)) / 24
    outside = [max(0.0, float(radius[y] - query[i] @ centres[y])) for i, y in enumerate(LABELS.tolist()) if 0 <= y < 4]
    found = lce(query, own, centres, radius, LABELS, centre_weight=100.0)
    assert found.item() == pytest.approx(100 * square + sum(outside) / len(outside), rel=1e-12)


def test_lce_at_known_angles() -> None:
    assert centre_distance(at(30), at(0)).item() == pytest.approx(0.1339746, abs=1e-7)  # 2 (1 - cos) / D, D = 2
    inside = boundary(at(30), at(0), torch.tensor([0.8]), torch.tensor([0]))
    outside = boundary(at(60), at(0), torch.tensor([0.8]), torch.tensor([0]))
    assert (inside.item(), outside.item()) == (0, pytest.approx(0.3))
    assert centre_distance(torch.empty(0, 2), torch.empty(0, 2)).item() == 0


def test_a_radius_is_the_least_cosine_of_a_class() -> None:
    vectors, labels = at(0, 20, 90), torch.tensor([0, 0, 2])
    found = radii(vectors, at(0, 0, 60), labels)
    assert found.tolist() == pytest.approx([math.cos(math.radians(20)), 1.0, math.cos(math.radians(30))])


def naive_smoothed(new: Tensor, old: Tensor, share: float) -> Tensor:
    """The series (1 - l) sum of (l E)^k V_old, to where its tail is nothing."""
    n = len(new)
    spread = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        weights = [math.exp(float(new[i] @ new[j]) / 0.05) if j != i else 0.0 for j in range(n)]
        for j in range(n):
            spread[i, j] = weights[j] / sum(weights)
    total, term = torch.zeros_like(old), (1 - share) * old
    for _ in range(600):
        total, term = total + term, share * spread @ term
    return total


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_smoothing_equals_its_series(share: float) -> None:
    new, old = unit(5, 6, 1), unit(5, 4, 2)
    torch.testing.assert_close(smoothed(new, old, share), naive_smoothed(new, old, share), atol=1e-10, rtol=0)


def test_smoothed_means_are_those_of_each_class() -> None:
    new, old, labels = unit(7, 6, 1), unit(7, 4, 2), torch.tensor([0, 1, 0, 2, 1, 0, 1])
    found = smoothed_means(new, old, labels, 0.9)
    for label in range(3):
        mine = labels == label
        expected = old[mine].sum(0) if mine.sum() == 1 else naive_smoothed(new[mine], old[mine], 0.9).sum(0)
        torch.testing.assert_close(found[label], expected / expected.norm(), atol=1e-9, rtol=0)
    torch.testing.assert_close(smoothed_means(new, old, labels, 0.0), class_means(old, labels))


def test_mixed_vectors_are_constants() -> None:
    new = unit(3, 4, 1).requires_grad_()
    old = torch.full((3, 4), torch.nan, dtype=torch.float64)  # an image without an old vector is not chosen
    old[1] = unit(1, 4, 2)
    found = mixed(new, old, torch.tensor([False, True, False]))
    assert torch.equal(found[1], old[1])
    (gradient,) = torch.autograd.grad(found.sum(), new)
    assert gradient.tolist() == [[1.0] * 4, [0.0] * 4, [1.0] * 4]


def test_near_rows_drop_the_farthest_tenth_of_a_class() -> None:
    vectors, labels = at(*range(19), 150, *range(5)), torch.tensor([0] * 20 + [1] * 5)
    assert set(range(25)) - set(near_rows(vectors, labels).tolist()) == {0, 19}  # 150 pulls the mean away from 0


@given(width=st.integers(2, 6), dim=st.integers(2, 6), seed=st.integers(0, 99))
def test_the_old_block_is_cut_or_padded_and_then_normalised(width: int, dim: int, seed: int) -> None:
    """P14: the norm comes last."""
    raw = torch.randn(3, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = old_block(F.normalize(raw, dim=-1), dim)
    for row, vector in zip(raw, found, strict=True):
        kept = [*row.tolist(), *[0.0] * dim][:dim]
        length = math.sqrt(sum(value**2 for value in kept))
        assert vector.tolist() == pytest.approx([value / length for value in kept], abs=1e-9)


@pytest.mark.parametrize("dim", [3, 5, 7])
def test_a_model_in_the_old_space_gives_the_old_block(dim: int) -> None:
    torch.manual_seed(0)
    own = Embedder(torch.nn.Sequential(torch.nn.Flatten()), 12, 5, Preprocess(size_px=8)).eval()
    pixels = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(in_old_space(own, dim)(pixels), old_block(own(pixels), dim))


PAIRED: list[Callable[[Tensor], Tensor]] = [
    lambda rows: influence(unit(5, 6, 1), rows, LABELS, scale=8.0),
    lambda rows: soft_influence(unit(5, 6, 1), unit(5, 6, 2), rows, LABELS, scale=8.0),
    lambda rows: lce(unit(5, 6, 1), unit(4, 6, 4), rows, torch.ones(4, dtype=torch.float64), LABELS, centre_weight=1.0),
]


@pytest.mark.parametrize("loss", PAIRED)
def test_the_old_head_has_no_gradient(loss: Callable[[Tensor], Tensor]) -> None:
    rows = unit(4, 6, 3).requires_grad_()
    found = loss(rows)
    assert found.item() > 0
    assert not found.requires_grad
