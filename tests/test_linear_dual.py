"""The exact dual: by hand, leaving one out by really leaving it out, removal, influence, the choice of lambda."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hetvs.errors import ConfigError
from hetvs.linear import dual as module
from hetvs.linear.dual import Dual, choose_ridge, jacobian
from hetvs.linear.problem import Problem, tangents
from tests.tiny_tangent import pixels_of, small_problem


def worked() -> Dual:
    rows = torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    return Dual(rows, torch.tensor([[1.0], [2.0]], dtype=torch.float64), rows @ rows.T, images=2, ridge=0.5)


def test_worked_example() -> None:
    dual = worked()
    torch.testing.assert_close(dual.coefficients.flatten(), torch.tensor([0.2, 0.6], dtype=torch.float64))
    torch.testing.assert_close(dual.solution().delta_P, torch.tensor([0.8, 0.6], dtype=torch.float64))
    torch.testing.assert_close(dual.gram @ dual.coefficients, torch.tensor([[0.8], [1.4]], dtype=torch.float64))
    torch.testing.assert_close(dual.left_out_residuals(), torch.tensor([[1 / 3], [1.5]], dtype=torch.float64))


def really_without(problem: Problem, gone: list[int]) -> Problem:
    kept = [image for image in range(len(problem)) if image not in gone]
    ridge = problem.ridge * len(problem) / len(kept)  # n lambda is held
    return Problem(problem.net, problem.prefix_n[kept], problem.residual_nD[kept], ridge, problem.batch)


@pytest.mark.parametrize("layers", [0, 1])
def test_leaving_one_out_is_really_leaving_it_out(layers: int) -> None:
    problem = small_problem(8, layers=layers)
    left_out = Dual.of(problem).left_out_residuals()
    for image in range(len(problem)):
        alone = Dual.of(really_without(problem, [image])).solution().delta_P
        missing = problem.residual_nD[image] - problem.along(alone)[image]
        torch.testing.assert_close(left_out[image], missing)


@pytest.mark.parametrize("layers", [0, 1])
@settings(max_examples=5)
@given(gone=st.sets(st.integers(0, 7), min_size=1, max_size=4))
def test_images_are_removed_exactly(layers: int, gone: set[int]) -> None:
    problem = small_problem(8, layers=layers)
    dual = Dual.of(problem)
    removed = dual.solution(dual.without(sorted(gone))).delta_P
    torch.testing.assert_close(removed, Dual.of(really_without(problem, sorted(gone))).solution().delta_P)


@pytest.mark.parametrize("layers", [0, 1])
def test_influence_is_the_change_of_a_prediction_without_the_image(layers: int) -> None:
    problem = small_problem(8, layers=layers)
    dual = Dual.of(problem)
    query = problem.net.prefix(pixels_of(3, seed=9))
    change_nMD = dual.influences(jacobian(problem.net, query, 5))
    before = tangents(problem.net, query, dual.solution().delta_P, 5)
    for image in (0, 5):
        without = dual.solution(dual.without([image])).delta_P
        torch.testing.assert_close(change_nMD[image], tangents(problem.net, query, without, 5) - before)


def test_rows_are_those_of_the_products() -> None:
    problem = small_problem(4)
    rows = jacobian(problem.net, problem.prefix_n, 3)
    v = torch.randn(problem.net.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close((rows @ v).view(4, 3), problem.along(v))


def test_lambda_is_that_of_the_least_left_out_residual() -> None:
    problem = small_problem(8)
    dual = Dual.of(problem)
    shares = (1e-3, 1e-1, 10.0)
    ridge, errors = choose_ridge(dual, shares)
    by_hand = {}
    for share in shares:
        tried = Problem(problem.net, problem.prefix_n, problem.residual_nD, share * dual.mean_diagonal)
        missing = [
            tried.residual_nD[i] - tried.along(Dual.of(really_without(tried, [i])).solution().delta_P)[i]
            for i in range(8)
        ]
        by_hand[share] = torch.stack(missing).square().mean().item()
    assert errors == pytest.approx(by_hand)
    assert ridge == pytest.approx(min(by_hand, key=by_hand.__getitem__) * dual.mean_diagonal)


def test_too_large_a_dual_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = small_problem(8)
    monkeypatch.setattr(module, "MOST_ROWS", 23)
    with pytest.raises(
        ConfigError, match=r"the dual of 8 images x 3 outputs x .* weights is too large; take --solver cg"
    ):
        Dual.of(problem)
