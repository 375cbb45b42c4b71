"""The further training terms: known angles, naive loops, and what each promises."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.losses.anchor_squared import anchor_squared
from hetvs.losses.context import context
from hetvs.losses.contrastive import contrastive
from hetvs.losses.cross_similarity import cross_similarity
from hetvs.losses.csd import csd
from hetvs.losses.ract import ract
from hetvs.losses.rank_difference import rank_difference

Vector = list[float]


def at(*degrees: float) -> Tensor:
    """Unit vectors in the plane at the given angles, float64."""
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=-1)


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def distance(a: Vector, b: Vector) -> float:
    return math.dist(a, b)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


NOTHING_HIDDEN = torch.zeros(1, 3, dtype=torch.bool)
KEYS_20_60_100 = at(20, 60, 100)

# A random batch: 6 rows, 12 keys, 4 classes of which -1 is unknown; the nearest key of three rows is of their image.
QUERY, TEACHER, KEYS = unit(6, 5, 1), unit(6, 5, 2), unit(12, 5, 3)
LABELS = torch.tensor([0, 1, 2, 0, -1, 1])
KEY_LABELS = torch.tensor([0, 1, 2, 2, 0, 1, -1, 0, 1, 2, 0, -1])
SAME_IMAGE = torch.zeros(6, 12, dtype=torch.bool)
SAME_IMAGE[torch.arange(3), (TEACHER @ KEYS.T).argmax(dim=1)[:3]] = True

# Every term of this file as a function of (q, g) with its keys; SAME_IMAGE where it takes one.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
TERMS: dict[str, Loss] = {
    "anchor_squared": lambda q, g, k: anchor_squared(q, g),
    "csd": lambda q, g, k: csd(q, g, k, SAME_IMAGE, neighbours=5, temperature=0.2),
    "rank_difference": lambda q, g, k: rank_difference(q, g, k, SAME_IMAGE, neighbours=5),
    "cross_similarity": lambda q, g, k: cross_similarity(q, g),
    "contrastive": lambda q, g, k: contrastive(q, g, LABELS, k, KEY_LABELS, SAME_IMAGE, margin=1.5, hardest=3),
    "ract": lambda q, g, k: ract(q, g, LABELS, k, KEY_LABELS, temperature=0.5, hardest=2),
}
MATCHING = ["anchor_squared", "csd", "rank_difference", "cross_similarity"]


# Worked values: g at 0 degrees, q at 30, keys at 20, 60 and 100.


def test_anchor_squared_at_known_angles() -> None:
    assert anchor_squared(at(30), at(0)).item() == pytest.approx(0.0179492, abs=1e-7)


@pytest.mark.parametrize(("temperature", "value"), [(0.1, 0.2159903), (0.5, 0.0629336)])
def test_csd_at_known_angles(temperature: float, value: float) -> None:
    loss = csd(at(30), at(0), KEYS_20_60_100, NOTHING_HIDDEN, neighbours=3, temperature=temperature)
    assert loss.item() == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(("angle", "swapped", "kept"), [(30, 0, 1.0405611), (50, 1.4634310, 1.2015901)])
def test_rank_difference_at_known_angles(angle: float, swapped: float, kept: float) -> None:
    sides = at(angle), at(0), KEYS_20_60_100, NOTHING_HIDDEN
    assert 3 * rank_difference(*sides, neighbours=3, swapped=1, kept=0).item() == pytest.approx(swapped, abs=1e-7)
    assert 3 * rank_difference(*sides, neighbours=3, swapped=0, kept=1).item() == pytest.approx(kept, abs=1e-7)
    assert 3 * rank_difference(*sides, neighbours=3).item() == pytest.approx(0.8 * swapped + 0.16 * kept, abs=1e-7)


def test_cross_similarity_at_known_angles() -> None:
    assert cross_similarity(at(10, 80), at(0, 90)).item() == pytest.approx(0.0301537, abs=1e-7)


def test_contrastive_at_known_angles() -> None:
    one = torch.zeros(1, 1, dtype=torch.bool)
    zero, other = torch.tensor([0]), torch.tensor([1])
    assert contrastive(at(30), at(0), zero, at(40), other, one).item() == pytest.approx(0.1339746 + 0.1381742, abs=1e-7)
    # A key of the same label at 50 degrees pulls by as much as 2 * (1 - cos 20) / 2.
    pulled = (0.1339746 + 1 - math.cos(math.radians(20))) / 2
    assert contrastive(at(30), at(0), zero, at(50), zero, one).item() == pytest.approx(pulled, abs=1e-7)


def test_ract_at_known_angles() -> None:
    key, key_label = at(60), torch.tensor([2])
    old_alone = ract(at(10), at(0), torch.tensor([0]), key, key_label, temperature=0.5)
    assert old_alone.item() == pytest.approx(0.4085100, abs=1e-7)
    # The new negative needs a row of its own, at 50 degrees and of the key's label: its only negative is the first row.
    both = ract(at(10, 50), at(0, 50), torch.tensor([0, 2]), key, key_label, temperature=0.5)
    second = math.log1p(math.exp((math.cos(math.radians(40)) - 1) / 0.5))
    assert 2 * both.item() - second == pytest.approx(0.7655635, abs=1e-7)


# Naive loops.


def test_anchor_squared_equals_a_loop() -> None:
    loop = mean([(1 - dot(q, g)) ** 2 for q, g in zip(QUERY.tolist(), TEACHER.tolist(), strict=True)])
    assert anchor_squared(QUERY, TEACHER).item() == pytest.approx(loop)


def test_cross_similarity_equals_a_loop_over_pairs() -> None:
    q, g = QUERY.tolist(), TEACHER.tolist()
    loop = mean([(dot(q[i], g[j]) - dot(g[i], g[j])) ** 2 for i in range(6) for j in range(6) if i != j])
    assert cross_similarity(QUERY, TEACHER).item() == pytest.approx(loop)


def near_keys(row: int, count: int) -> list[Vector]:
    """The keys nearest to the teacher's vector of a row, without those of its own image."""
    seen = [key for key, hide in zip(KEYS.tolist(), SAME_IMAGE[row].tolist(), strict=True) if not hide]
    return sorted(seen, key=lambda key: -dot(TEACHER[row].tolist(), key))[:count]


def softmax(scores: list[float]) -> list[float]:
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


@pytest.mark.parametrize("neighbours", [1, 5, 12, 40])
def test_csd_equals_a_loop_over_the_nearest_keys(neighbours: int) -> None:
    rows = []
    for row, (q, g) in enumerate(zip(QUERY.tolist(), TEACHER.tolist(), strict=True)):
        near = near_keys(row, neighbours)
        p, r = softmax([dot(g, k) / 0.2 for k in near]), softmax([dot(q, k) / 0.2 for k in near])
        rows.append(sum(p_j * math.log(p_j / r_j) for p_j, r_j in zip(p, r, strict=True)))
    loss = csd(QUERY, TEACHER, KEYS, SAME_IMAGE, neighbours=neighbours, temperature=0.2)
    assert loss.item() == pytest.approx(mean(rows), abs=1e-12)


def test_csd_over_all_keys_is_the_context() -> None:
    whole = context(QUERY, TEACHER, KEYS, SAME_IMAGE, temperature=0.2)
    assert csd(QUERY, TEACHER, KEYS, SAME_IMAGE, neighbours=12, temperature=0.2).item() == pytest.approx(whole.item())


@pytest.mark.parametrize("neighbours", [2, 5, 12, 40])
def test_rank_difference_equals_a_loop_over_ordered_pairs(neighbours: int) -> None:
    rows = []
    for row, (q, g) in enumerate(zip(QUERY.tolist(), TEACHER.tolist(), strict=True)):
        near = near_keys(row, neighbours)
        squares = {True: 0.0, False: 0.0}
        for u in near:
            for v in near:
                ds, dt = dot(q, u) - dot(q, v), dot(g, u) - dot(g, v)
                if u is not v:
                    squares[ds * dt < 0] += ((ds - dt) / (0.1 + abs(dt))) ** 2
        rows.append((0.8 * math.sqrt(squares[True]) + 0.16 * math.sqrt(squares[False])) / len(near))
    assert rank_difference(QUERY, TEACHER, KEYS, SAME_IMAGE, neighbours=neighbours).item() == pytest.approx(mean(rows))


def test_pairs_that_the_teacher_ties_have_no_order_to_violate() -> None:
    tied = at(20, -20)  # both as near to g = 0, but not to q
    query = at(15).requires_grad_()
    loss = rank_difference(query, at(0), tied, torch.zeros(1, 2, dtype=torch.bool), neighbours=2)
    (gradient,) = torch.autograd.grad(loss, query)
    assert loss.item() == 0
    assert not gradient.any()


def test_contrastive_equals_a_loop() -> None:
    rows = []
    for row, label in enumerate(LABELS.tolist()):
        if label < 0:
            continue
        q = QUERY[row].tolist()
        columns = [j for j in range(12) if KEY_LABELS[j] >= 0 and not SAME_IMAGE[row, j]]
        pulls = [TEACHER[row].tolist()] + [KEYS[j].tolist() for j in columns if KEY_LABELS[j] == label]
        distances = sorted(distance(q, KEYS[j].tolist()) for j in columns if KEY_LABELS[j] != label)
        push = mean([0.5 * max(0, 1.5 - d) ** 2 for d in distances[:3]])
        rows.append(mean([0.5 * distance(q, g) ** 2 for g in pulls]) + push)
    assert TERMS["contrastive"](QUERY, TEACHER, KEYS).item() == pytest.approx(mean(rows))


@pytest.mark.parametrize("hardest", [1, 2, 100])
def test_ract_equals_a_loop(hardest: int) -> None:
    rows = []
    q, labels = QUERY.tolist(), LABELS.tolist()
    for row, label in enumerate(labels):
        if label < 0:
            continue
        keys = zip(KEYS.tolist(), KEY_LABELS.tolist(), strict=True)
        old = sorted((dot(q[row], key) for key, other in keys if other not in (-1, label)), reverse=True)
        new = sorted((dot(q[row], q[j]) for j in range(6) if labels[j] not in (-1, label)), reverse=True)
        logits = [dot(q[row], TEACHER[row].tolist()), *old[:hardest], *new[:hardest]]
        rows.append(-math.log(softmax([score / 0.5 for score in logits])[0]))
    loss = ract(QUERY, TEACHER, LABELS, KEYS, KEY_LABELS, temperature=0.5, hardest=hardest)
    assert loss.item() == pytest.approx(mean(rows))


def test_ract_is_finite_where_its_exponents_are_not() -> None:
    query = at(180).float().requires_grad_()
    loss = ract(query, at(0).float(), LABELS[:1], at(180).float(), torch.tensor([1]), temperature=0.005)
    loss.backward()
    assert loss.item() == pytest.approx(400)
    assert query.grad is not None
    assert query.grad.isfinite().all()


# Promises.


@pytest.mark.parametrize("name", MATCHING)
def test_a_matching_term_has_no_value_and_no_gradient_at_the_teacher(name: str) -> None:
    query = TEACHER.clone().requires_grad_()
    loss = TERMS[name](query, TEACHER, KEYS)
    (gradient,) = torch.autograd.grad(loss, query)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max().item() < 1e-12


def gradient_of(loss: Callable[[Tensor], Tensor], query: Tensor) -> Tensor:
    query = query.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(F.normalize(query, dim=-1)), query)
    return gradient


@pytest.mark.parametrize("name", TERMS)
def test_the_pull_is_the_same_in_64_and_512_dimensions(name: str) -> None:
    """P1: the same angles, in a random 5-dimensional corner of the space."""
    norms = []
    for dim in (64, 512):
        basis = torch.linalg.qr(unit(dim, 5, seed=dim)).Q.T  # orthonormal rows, so that angles are kept
        query, teacher, keys = QUERY @ basis, TEACHER @ basis, KEYS @ basis
        norms.append(gradient_of(lambda q, g=teacher, k=keys: TERMS[name](q, g, k), query).norm().item())
    assert norms[0] == pytest.approx(norms[1], rel=1e-9)
    assert norms[0] > 1e-3


@pytest.mark.parametrize("name", ["csd", "rank_difference", "contrastive"])
@pytest.mark.parametrize(("row", "column"), SAME_IMAGE.nonzero().tolist())
def test_a_hidden_key_counts_as_no_key(name: str, row: int, column: int) -> None:
    """P6, with more neighbours asked for than there are keys: then a hidden one is among them."""
    query, kept = QUERY[row : row + 1], [j for j in range(12) if j != column]
    teacher_on_it = KEYS[column : column + 1]
    with_it, without = (
        (lambda q, j=columns: on_keys(name, q, teacher_on_it, row, j)) for columns in (list(range(12)), kept)
    )
    torch.testing.assert_close(with_it(query), without(query), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient_of(with_it, query), gradient_of(without, query), rtol=1e-9, atol=1e-12)


def on_keys(name: str, query: Tensor, teacher: Tensor, row: int, columns: list[int]) -> Tensor:
    keys, key_labels, same = KEYS[columns], KEY_LABELS[columns], SAME_IMAGE[row : row + 1, columns]
    if name == "csd":
        return csd(query, teacher, keys, same, neighbours=40, temperature=0.2)
    if name == "rank_difference":
        return rank_difference(query, teacher, keys, same, neighbours=40)
    return contrastive(query, teacher, LABELS[row : row + 1], keys, key_labels, same, margin=1.5, hardest=40)


@pytest.mark.parametrize("name", ["contrastive", "ract"])
def test_a_key_of_unknown_label_changes_nothing(name: str) -> None:
    moved = KEYS.clone()
    moved[KEY_LABELS < 0] = QUERY[0]
    assert TERMS[name](QUERY, TEACHER, moved).item() == pytest.approx(TERMS[name](QUERY, TEACHER, KEYS).item())
    gradients = [gradient_of(lambda q, k=keys: TERMS[name](q, TEACHER, k), QUERY) for keys in (KEYS, moved)]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_labels_are_needed_where_they_are_said_to_be() -> None:
    unknown = torch.full((6,), -1)
    query = QUERY.clone().requires_grad_()
    loss = contrastive(query, TEACHER, unknown, KEYS, KEY_LABELS, SAME_IMAGE)
    loss = loss + ract(query, TEACHER, unknown, KEYS, KEY_LABELS)
    (gradient,) = torch.autograd.grad(loss, query)
    assert loss.item() == 0
    assert not gradient.any()


def test_contrastive_is_finite_where_a_student_sits_on_a_negative() -> None:
    query = at(0).requires_grad_()  # at 0 degrees the cosine is exactly 1
    loss = contrastive(query, at(40), torch.tensor([0]), at(0), torch.tensor([1]), NOTHING_HIDDEN[:, :1])
    loss.backward()
    assert query.grad is not None
    assert query.grad.isfinite().all()


def test_cross_similarity_needs_a_pair() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        cross_similarity(at(0), at(0))
