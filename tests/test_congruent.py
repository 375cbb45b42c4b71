"""Distances between logits and whom they count for: by hand, against loops, and on any input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hetvs.losses.congruent import (
    focus_weights,
    logit_difference,
    logit_divergence,
    logit_inhibition,
    mean_over_known,
)

OLD, NEW = torch.tensor([[2.0, 1, 0]]).double(), torch.tensor([[1.0, 2, 0]]).double()
STUDENT, ENSEMBLE = torch.tensor([[3, 1, 0.2, -1]]).double(), torch.tensor([[2, 1.4, 0, -1.1]]).double()


def some(rows: int, classes: int, seed: int) -> Tensor:
    return 3 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_worked_distances_of_pct() -> None:
    assert logit_difference(NEW, OLD).item() == pytest.approx(1 / 3)
    assert 6 * logit_difference(NEW, OLD).item() == pytest.approx(2.0)  # alpha 1, beta 5, the old model right
    assert logit_divergence(NEW, OLD, temperature=100).item() == pytest.approx(0.334994, abs=1e-6)


def test_the_limit_of_a_large_temperature_is_centred_and_the_squared_logits_are_not() -> None:
    shifted = torch.tensor([[4.0, 2, 0]]).double()
    assert logit_divergence(shifted, OLD, temperature=1e5).item() == pytest.approx(1 / 3, rel=1e-4)
    assert logit_difference(shifted, OLD).item() == pytest.approx(0.833333, abs=1e-6)
    assert logit_divergence(NEW, OLD, temperature=100).item() == pytest.approx(1 / 3, rel=0.01)


@given(seed=st.integers(0, 1000), shift=st.floats(-5, 5))
def test_a_shift_of_all_logits_changes_the_divergence_by_nothing(seed: int, shift: float) -> None:
    new, old = some(3, 4, seed), some(3, 4, seed + 1)
    found = logit_divergence(new + shift, old, temperature=2)
    torch.testing.assert_close(found, logit_divergence(new, old, temperature=2), rtol=1e-8, atol=1e-9)
    assert (found >= 0).all()


def test_the_divergence_equals_a_loop() -> None:
    new, old, tau = some(2, 3, 1), some(2, 3, 2), 7.0
    for row, found in enumerate(logit_divergence(new, old, temperature=tau).tolist()):
        p, q = ([math.exp(z / tau) for z in side[row].tolist()] for side in (old, new))
        p, q = [a / sum(p) for a in p], [a / sum(q) for a in q]
        assert found == pytest.approx(tau**2 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))


def test_the_worked_inhibition_of_elodi() -> None:
    assert logit_inhibition(STUDENT, ENSEMBLE, slack=0.5).item() == pytest.approx(0.0625)
    assert logit_inhibition(STUDENT, ENSEMBLE).item() == pytest.approx(0.3025)
    assert logit_inhibition(STUDENT, ENSEMBLE, top=2).item() == pytest.approx(0.58)


def test_the_top_is_of_the_classes_of_each_image_and_of_the_reference() -> None:
    """P8: a top over the batch would mix images; one by the student's logits would take other classes."""
    student, reference = torch.cat([STUDENT, -STUDENT]), torch.cat([ENSEMBLE, -ENSEMBLE])
    found = logit_inhibition(student, reference, top=2)
    assert found[0].item() == pytest.approx(0.58)
    assert found[1].item() == pytest.approx((0.1**2 + 0.2**2) / 2)
    turned = logit_inhibition(student.flip(0), reference.flip(0), top=2)
    torch.testing.assert_close(turned, found.flip(0))


def test_a_hidden_label_is_not_among_the_top() -> None:
    found = logit_inhibition(STUDENT, ENSEMBLE, top=2, hidden_B=torch.tensor([0]))
    assert found.item() == pytest.approx((0.4**2 + 0.2**2) / 2)
    everything = logit_inhibition(STUDENT, ENSEMBLE, hidden_B=torch.tensor([0]))
    assert everything.item() == pytest.approx((0.16 + 0.04 + 0.01) / 3)


@pytest.mark.parametrize("distance", ["divergence", "difference", "inhibition"])
def test_the_reference_is_frozen_and_equal_logits_cost_nothing(distance: str) -> None:
    new, old = some(4, 5, 3).requires_grad_(), some(4, 5, 4).requires_grad_()

    def measured(a: Tensor, b: Tensor) -> Tensor:
        if distance == "divergence":
            return logit_divergence(a, b, temperature=4)
        return logit_difference(a, b) if distance == "difference" else logit_inhibition(a, b)

    measured(new, old).sum().backward()
    assert old.grad is None
    assert new.grad is not None
    assert new.grad.abs().sum() > 0
    torch.testing.assert_close(measured(old, old), torch.zeros(4, dtype=torch.float64))


def test_who_is_in_focus() -> None:
    old_right = torch.tensor([True, True, False, False])
    new_right = torch.tensor([True, False, True, False])
    found = {
        rule: focus_weights(rule, old_right, new_right, alpha=1, beta=5).tolist()
        for rule in ("right", "flip", "wrong", "all")
    }
    assert found == {"right": [6, 6, 1, 1], "flip": [1, 6, 1, 1], "wrong": [1, 6, 1, 6], "all": [6, 6, 6, 6]}
    assert focus_weights("right", old_right, new_right, alpha=0, beta=5).tolist() == [5, 5, 0, 0]
    with pytest.raises(ValueError, match="focus 'Right' is none of right, flip, wrong, all"):
        focus_weights("Right", old_right, new_right, alpha=1, beta=5)


def test_without_beta_focus_is_plain_distillation() -> None:
    new, old = some(6, 3, 5), some(6, 3, 6)
    weights = focus_weights("right", torch.rand(6) > 0.5, torch.rand(6) > 0.5, alpha=1, beta=0)
    distance = logit_divergence(new, old, temperature=5)
    assert (weights * distance).mean().item() == pytest.approx(distance.mean().item())


def test_images_of_new_classes_count_for_nothing() -> None:
    values = torch.tensor([2.0, 4.0, 9.0], requires_grad=True)
    assert mean_over_known(values, torch.tensor([True, True, False])).item() == 3
    none = mean_over_known(values, torch.zeros(3, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(none, values)
    assert (none.item(), gradient.tolist()) == (0, [0, 0, 0])


def blobs(images: int, seed: int) -> tuple[Tensor, Tensor]:
    """Six overlapping clouds of points in eight dimensions."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(6, (images,), generator=generator)
    return centres[labels] + 1.2 * torch.randn(images, 8, generator=generator), labels


def fitted(seed: int, reference: Tensor | None = None) -> torch.nn.Module:
    """A small network trained on 400 points from the weights of `seed`, held to the reference's logits by LDI."""
    points, labels = blobs(400, seed=1)
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 6))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(200):
        logits = net(points)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        if reference is not None:
            loss = 0.2 * loss + 0.8 * logit_inhibition(logits, reference).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.requires_grad_(False)


def test_two_students_of_two_ensembles_flip_less_than_two_networks_alone() -> None:
    """ELODI on a toy: the seeds of the students and of both ensembles all differ."""
    points, labels = blobs(4000, seed=2)
    seen, _ = blobs(400, seed=1)

    def right(net: torch.nn.Module) -> Tensor:
        return net(points).argmax(dim=1) == labels

    def follower(seed: int, members: range) -> torch.nn.Module:
        return fitted(seed, torch.stack([fitted(member)(seen) for member in members]).mean(0))

    old, new = right(fitted(0)), right(fitted(1))
    old_follower, new_follower = right(follower(0, range(10, 15))), right(follower(1, range(20, 25)))
    alone, held = (old & ~new).float().mean().item(), (old_follower & ~new_follower).float().mean().item()
    assert held < 0.75 * alone
    assert new_follower.float().mean() > new.float().mean() - 0.003
