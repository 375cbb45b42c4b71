"""Each training term against a naive loop, at known angles, and against what it promises."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.errors import ConfigError
from hetvs.losses import LOSSES, require_anchored
from hetvs.losses.anchor import anchor
from hetvs.losses.context import context
from hetvs.losses.influence import influence
from hetvs.losses.queue import Queue
from hetvs.losses.relational import relational

Loss = Callable[[Tensor, Tensor], Tensor]


def at(*degrees: float) -> Tensor:
    """Unit vectors in the plane at the given angles, float64."""
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=-1)


def rotation(dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dim, dim, generator=generator, dtype=torch.float64)).Q


def nothing_hidden(queries: int, keys: int) -> Tensor:
    return torch.zeros(queries, keys, dtype=torch.bool)


KEYS = unit(11, 6, seed=5)
PROTOTYPES = unit(4, 6, seed=6)
LABELS = torch.tensor([0, 3, 1, 1, 2])

# The first four terms as functions of (q, g), both (5, 6); the others are in test_more_losses.
TERMS: dict[str, Loss] = {
    "anchor": anchor,
    "context": lambda q, g: context(q, g, KEYS, nothing_hidden(5, 11)),
    "influence": lambda q, g: influence(q, PROTOTYPES, LABELS, scale=8.0),
    "relational": relational,
}


# Worked values: g at 0 degrees, q at 30, keys at 20, 60 and 100.


def test_anchor_at_known_angles() -> None:
    assert anchor(at(30), at(0)).item() == pytest.approx(0.1339746, abs=1e-7)
    assert anchor(at(30, 90), at(0, 0)).item() == pytest.approx((0.1339746 + 1) / 2, abs=1e-7)


@pytest.mark.parametrize(("temperature", "value"), [(0.1, 0.2159903), (0.5, 0.0629336)])
def test_context_at_known_angles(temperature: float, value: float) -> None:
    loss = context(at(30), at(0), at(20, 60, 100), nothing_hidden(1, 3), temperature=temperature)
    assert loss.item() == pytest.approx(value, abs=1e-7)


def test_influence_at_known_angles() -> None:
    loss = influence(at(30), at(0, 90), torch.tensor([0]), scale=4.0)
    assert loss.item() == pytest.approx(0.2080589, abs=1e-7)


def test_relational_at_known_angles() -> None:
    assert relational(at(10, 80), at(0, 90)).item() == pytest.approx(0.1169778, abs=1e-7)


# Naive loops.


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def softmax(scores: list[float]) -> list[float]:
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def test_anchor_equals_a_loop() -> None:
    query, teacher = unit(5, 6, 1), unit(5, 6, 2)
    loop = sum(1 - dot(q, g) for q, g in zip(query.tolist(), teacher.tolist(), strict=True)) / 5
    assert anchor(query, teacher).item() == pytest.approx(loop)


def test_context_equals_a_loop_over_the_keys_that_are_not_hidden() -> None:
    query, teacher = unit(5, 6, 1), unit(5, 6, 2)
    hidden = torch.rand(5, 11, generator=torch.Generator().manual_seed(0)) < 0.3
    loop = 0.0
    for row, (q, g) in enumerate(zip(query.tolist(), teacher.tolist(), strict=True)):
        seen = [key for key, hide in zip(KEYS.tolist(), hidden[row].tolist(), strict=True) if not hide]
        p, r = softmax([dot(g, key) / 0.2 for key in seen]), softmax([dot(q, key) / 0.2 for key in seen])
        loop += sum(p_j * math.log(p_j / r_j) for p_j, r_j in zip(p, r, strict=True)) / 5
    assert context(query, teacher, KEYS, hidden, temperature=0.2).item() == pytest.approx(loop)


def test_influence_equals_a_loop_over_known_labels() -> None:
    query, labels = unit(5, 6, 1), [0, -1, 3, 1, -1]
    known = [(q, label) for q, label in zip(query.tolist(), labels, strict=True) if label >= 0]
    shares = [softmax([8 * dot(q, p) for p in PROTOTYPES.tolist()])[label] for q, label in known]
    loop = -sum(math.log(share) for share in shares) / len(known)
    assert influence(query, PROTOTYPES, torch.tensor(labels), scale=8.0).item() == pytest.approx(loop)


def test_relational_equals_a_loop_over_pairs() -> None:
    q, g = unit(5, 6, 1).tolist(), unit(5, 6, 2).tolist()
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    loop = sum((dot(q[i], q[j]) - dot(g[i], g[j])) ** 2 for i, j in pairs) / len(pairs)
    assert relational(torch.tensor(q), torch.tensor(g)).item() == pytest.approx(loop)


# Promises.


@pytest.mark.parametrize("name", ["anchor", "context", "relational"])
def test_a_matching_term_has_no_value_and_no_gradient_at_the_teacher(name: str) -> None:
    teacher = unit(5, 6, seed=2)
    before_norm = (3 * teacher).requires_grad_()
    loss = TERMS[name](F.normalize(before_norm, dim=-1), teacher)
    (gradient,) = torch.autograd.grad(loss, before_norm)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max().item() < 1e-12


@pytest.mark.parametrize("dim", [2, 16, 512])
@pytest.mark.parametrize("length", [0.1, 7.0])
def test_the_anchor_pulls_with_the_sine_of_the_angle_whatever_the_dimension(dim: int, length: float) -> None:
    query, teacher = unit(1, dim, 1), unit(1, dim, 2)
    before_norm = (length * query).requires_grad_()
    (gradient,) = torch.autograd.grad(anchor(F.normalize(before_norm, dim=-1), teacher), before_norm)
    sine = math.sin(math.acos(dot(query[0].tolist(), teacher[0].tolist())))
    assert gradient.norm().item() * length == pytest.approx(sine)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_anchored_when_a_common_rotation_of_the_queries_changes_it(name: str) -> None:
    query, teacher = unit(5, 6, 1), unit(5, 6, 2)
    straight = TERMS[name](query, teacher).item()
    turned = TERMS[name](query @ rotation(6, seed=3), teacher).item()
    assert (abs(turned - straight) > 1e-3) == LOSSES[name].anchored


@pytest.mark.parametrize("name", TERMS)
def test_every_term_gives_the_query_a_gradient(name: str) -> None:
    query = unit(5, 6, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(TERMS[name](query, unit(5, 6, 2)), query)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_prototypes_are_frozen_even_where_they_are_parameters() -> None:
    prototypes = PROTOTYPES.clone().requires_grad_()
    query = unit(5, 6, 1).requires_grad_()
    influence(query, prototypes, LABELS, scale=8.0).backward()
    assert prototypes.grad is None


def test_influence_of_a_batch_without_a_known_label_is_zero_with_zero_gradient() -> None:
    query = unit(3, 6, 1).requires_grad_()
    loss = influence(query, PROTOTYPES, torch.full((3,), -1), scale=8.0)
    (gradient,) = torch.autograd.grad(loss, query)
    assert loss.item() == 0
    assert not gradient.any()


def test_relational_needs_a_pair() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        relational(at(0), at(0))


# The queue.


def test_the_queue_keeps_the_last_keys_and_is_full_once_every_slot_is_taken() -> None:
    queue = Queue(5, 2)
    seen: list[int] = []
    for start in range(0, 12, 3):
        assert queue.full == (len(seen) >= 5)
        images = torch.arange(start, start + 3)
        queue.push(at(*images.tolist()).float(), images, images % 4)
        seen += images.tolist()
        assert set(queue.images_S.tolist()) - {-1} == set(seen[-5:])
    torch.testing.assert_close(queue.keys_SD, at(*queue.images_S.tolist()).float())
    assert torch.equal(queue.labels_S, queue.images_S % 4)


def test_a_batch_larger_than_the_queue_leaves_its_last_keys() -> None:
    queue = Queue(3, 2)
    queue.push(at(*range(8)).float(), torch.arange(8), torch.zeros(8, dtype=torch.int64))
    assert set(queue.images_S.tolist()) == {5, 6, 7}
    torch.testing.assert_close(queue.keys_SD, at(*queue.images_S.tolist()).float())


def test_a_push_leaves_the_keys_that_a_loss_still_needs() -> None:
    queue = Queue(2, 2)
    queue.push(at(0, 10).float(), torch.tensor([0, 1]), torch.tensor([0, 1]))
    held = queue.keys_SD
    query = at(30).float().requires_grad_()
    loss = context(query, at(0).float(), held, nothing_hidden(1, 2))
    queue.push(at(50, 60).float(), torch.tensor([2, 3]), torch.tensor([0, 1]))
    loss.backward()
    torch.testing.assert_close(held, at(0, 10).float())


def test_a_queue_comes_back_from_a_checkpoint() -> None:
    queue, other = Queue(3, 2), Queue(3, 2)
    queue.push(at(0, 10, 20, 30).float(), torch.arange(4), torch.tensor([5, 6, 5, 7]))
    other.load(queue.state())
    for q in (queue, other):
        q.push(at(40, 50).float(), torch.tensor([4, 5]), torch.tensor([8, 5]))
    assert torch.equal(queue.keys_SD, other.keys_SD)
    assert torch.equal(queue.images_S, other.images_S)
    assert torch.equal(queue.labels_S, other.labels_S)
    assert other.full


def test_the_key_of_the_same_image_is_hidden_from_both_sides() -> None:
    images, keys = torch.tensor([7, 8, 9]), at(20, 60, 100)
    same = images[None] == torch.tensor([[8]])
    without = context(at(30), at(0), keys[[0, 2]], nothing_hidden(1, 2))
    torch.testing.assert_close(context(at(30), at(0), keys, same), without)
    moved = keys.clone()
    moved[1] = at(33)[0]
    torch.testing.assert_close(context(at(30), at(0), moved, same), without)


def test_a_batch_whose_keys_are_all_hidden_has_a_finite_term() -> None:
    query = at(30).requires_grad_()
    loss = context(query, at(0), at(20, 60), torch.ones(1, 2, dtype=torch.bool))
    loss.backward()
    assert loss.isfinite()
    assert query.grad is not None
    assert query.grad.isfinite().all()


# The trainer's refusal.


@pytest.mark.parametrize("weights", [{"relational": 1.0}, {"anchor": 0.0, "relational": 0.5}])
def test_relational_alone_is_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="relational is not anchored; give one of anchor, context, influence"):
        require_anchored(weights)


def test_no_term_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="no term at all"):
        require_anchored(dict.fromkeys(LOSSES, 0.0))


@pytest.mark.parametrize("name", [name for name, term in LOSSES.items() if term.anchored and term.whole])
def test_one_anchored_term_is_enough(name: str) -> None:
    require_anchored({"relational": 1.0, name: 0.01})
