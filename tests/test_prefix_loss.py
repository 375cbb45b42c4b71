"""The term of prefixes: at known angles, against a loop, at the teacher, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.config import StudentConfig
from hetvs.errors import ConfigError
from hetvs.losses import require_anchored
from hetvs.losses.prefixes import prefixes


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=-1)


def test_the_tail_of_a_vector_is_not_looked_at() -> None:
    half = math.sqrt(0.5)
    query = torch.tensor([[half, 0.0, half, 0.0]], dtype=torch.float64)
    teacher = torch.tensor([[0.5, 0.5, 0.0, half]], dtype=torch.float64)
    assert prefixes(query, teacher, [2]).item() == pytest.approx(1 - math.cos(math.radians(45)))
    assert prefixes(query, teacher, [1]).item() == pytest.approx(0)
    assert prefixes(query, teacher, [1, 2]).item() == pytest.approx((1 - math.cos(math.radians(45))) / 2)


def test_prefixes_equal_a_loop() -> None:
    query, teacher, dims = unit(5, 6, 1), unit(5, 6, 2), (2, 3, 5)
    loop = 0.0
    for dim in dims:
        for q, g in zip(query.tolist(), teacher.tolist(), strict=True):
            dot = sum(q[i] * g[i] for i in range(dim))
            lengths = [math.sqrt(sum(v[i] ** 2 for i in range(dim))) for v in (q, g)]
            loop += (1 - dot / (lengths[0] * lengths[1])) / 5 / len(dims)
    assert prefixes(query, teacher, dims).item() == pytest.approx(loop)


def test_prefixes_have_no_value_and_no_gradient_at_the_teacher() -> None:
    teacher = unit(5, 6, seed=2)
    before_norm = (3 * teacher).requires_grad_()
    loss = prefixes(F.normalize(before_norm, dim=-1), teacher, (2, 4))
    (gradient,) = torch.autograd.grad(loss, before_norm)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max().item() < 1e-12


@pytest.mark.parametrize("dims", [(), (0,), (6,), (2, 7)])
def test_the_whole_vector_is_no_prefix(dims: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="prefixes are of 1 to 5 of D = 6 components"):
        prefixes(unit(2, 6, 1), unit(2, 6, 2), dims)


def test_the_setting_says_lengths_and_their_common_weight() -> None:
    config = StudentConfig(prefixes="32, 64", prefix_weight=0.5)
    assert (config.prefix_dims, config.active_terms()["prefixes"]) == ((32, 64), 0.5)
    assert "prefixes" not in StudentConfig().active_terms()


@pytest.mark.parametrize("text", ["32,32", "0", "x", "32,", "-1", "1.5"])
def test_lengths_that_are_none_are_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="prefixes must be different whole numbers >= 1"):
        StudentConfig(prefixes=text)


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="prefix_weight must be > 0"):
        StudentConfig(prefixes="4", prefix_weight=0)


def test_prefixes_alone_leave_the_tail_where_it_is() -> None:
    config = StudentConfig(anchor=0, context=0, prefixes="4")
    with pytest.raises(ConfigError, match="prefixes is not anchored as a whole; give one of anchor, context"):
        require_anchored(config.active_terms())
    require_anchored(StudentConfig(prefixes="4").active_terms())
