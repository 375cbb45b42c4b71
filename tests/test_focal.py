"""The focal weight and the class means: what modifies a term instead of being one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.losses.anchor import anchor
from hetvs.losses.context import context
from hetvs.losses.focal import focal_weights, right_under_cloud
from hetvs.losses.prototypes import class_means, denoised_means


def at(*degrees: float) -> Tensor:
    """Unit vectors in the plane at the given angles, float64."""
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=-1)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


QUERY, TEACHER, KEYS = unit(6, 5, 1), unit(6, 5, 2), unit(12, 5, 3)


# Focal weights.


def test_focal_weights_have_mean_one_and_a_ratio_of_one_plus_beta() -> None:
    weights = focal_weights(torch.tensor([True, False, True, False]), 5.0)
    torch.testing.assert_close(weights, torch.tensor([12, 2, 12, 2]) / 7)
    assert torch.equal(focal_weights(torch.tensor([True, False]), 0.0), torch.ones(2))


@pytest.mark.parametrize("right", [[True] * 6, [False] * 6])
def test_a_batch_that_is_all_right_or_all_wrong_weighs_as_without_focus(right: list[bool]) -> None:
    weights = focal_weights(torch.tensor(right), 5.0).double()
    torch.testing.assert_close(anchor(QUERY, TEACHER, weights), anchor(QUERY, TEACHER))


def test_focal_weights_scale_each_row_of_anchor_and_context() -> None:
    weights = focal_weights(torch.tensor([True, False, False, True, False, True]), 5.0).double()
    no_key_hidden = torch.zeros(1, 12, dtype=torch.bool)
    rows = [slice(i, i + 1) for i in range(6)]
    near = [anchor(QUERY[r], TEACHER[r]).item() for r in rows]
    far = [context(QUERY[r], TEACHER[r], KEYS, no_key_hidden).item() for r in rows]
    for loss, parts in (
        (anchor(QUERY, TEACHER, weights), near),
        (context(QUERY, TEACHER, KEYS, no_key_hidden.expand(6, -1), weights), far),
    ):
        assert loss.item() == pytest.approx(mean([w * part for w, part in zip(weights.tolist(), parts, strict=True)]))


def test_right_under_cloud_is_a_relevant_first_answer() -> None:
    # 0 and 10 degrees find each other; 55 finds 50, of another class; 50 finds 55, wrong too; c has no other image.
    vectors = at(0, 10, 50, 55, 200).float().numpy()
    labels, ids = np.array(["a", "a", "a", "b", "c"]), np.array(["4", "3", "2", "1", "0"])
    assert right_under_cloud(vectors, ids, labels).tolist() == [True, True, False, False, False]
    assert right_under_cloud(vectors[2:], ids[2:], labels[2:]).tolist() == [False] * 3


# Class means.


def test_class_means_equal_a_loop_and_are_unit_rows() -> None:
    vectors, labels = unit(30, 7, 4), torch.arange(30) % 4
    rows = class_means(vectors, labels)
    assert rows.shape == (4, 7)  # not square, so that a norm over columns would show (P10)
    for c in range(4):
        members = [v for v, label in zip(vectors.tolist(), labels.tolist(), strict=True) if label == c]
        centre = [mean([v[d] for v in members]) for d in range(7)]
        length = math.hypot(*centre)
        assert rows[c].tolist() == pytest.approx([x / length for x in centre])


def test_denoised_means_drop_the_far_tenth_of_each_class() -> None:
    vectors, labels = (
        unit(59, 7, 4),
        torch.tensor([0] * 21 + [1] * 10 + [2] * 28)[torch.randperm(59, generator=torch.Generator().manual_seed(0))],
    )
    rows = denoised_means(vectors, labels)
    for c, dropped in ((0, 2), (1, 1), (2, 2)):
        members = vectors[labels == c]
        centre = F.normalize(members.mean(0), dim=0)
        order = sorted(range(len(members)), key=lambda i: -float(members[i] @ centre))
        kept = members[order[: len(members) - dropped]]
        torch.testing.assert_close(rows[c], F.normalize(kept.mean(0), dim=0))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_denoising_removes_a_stray_and_leaves_small_classes() -> None:
    stray = torch.cat([at(*[0] * 9, 90), at(20, 30)])
    rows = denoised_means(stray, torch.tensor([0] * 10 + [1] * 2))
    torch.testing.assert_close(rows, at(0, 25))
