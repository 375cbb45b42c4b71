"""Three solvers, one solution; the adjoint; seeds and orders that change nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hetvs.errors import ConfigError
from hetvs.linear.cg import conjugate_gradients
from hetvs.linear.dual import Dual, jacobian
from hetvs.linear.factors import gather_factors
from hetvs.linear.network import Linearised
from hetvs.linear.preconditioner import Preconditioner
from hetvs.linear.problem import Problem, outputs
from hetvs.linear.sgd import largest_eigenvalue, stochastic
from hetvs.linear.targets import cloud_targets
from hetvs.models.embedder import Embedder
from hetvs.preprocess import Preprocess
from tests.tiny_tangent import small_problem


def kfac(problem: Problem, seed: int = 0) -> Preconditioner:
    factors = gather_factors(problem.net, problem.prefix_n, seed=seed, batch=problem.batch)
    return Preconditioner(problem.net, factors, problem.ridge)


def closed_form(problem: Problem) -> Tensor:
    rows = jacobian(problem.net, problem.prefix_n, 5)
    hessian = rows.T @ rows / len(problem) + problem.ridge * torch.eye(rows.shape[1], dtype=torch.float64)
    return torch.linalg.solve(hessian, rows.T @ problem.residual_nD.flatten() / len(problem))


def test_adjoint() -> None:
    problem = small_problem()
    generator = torch.Generator().manual_seed(3)
    v = torch.randn(problem.net.size, generator=generator, dtype=torch.float64)
    u = torch.randn(len(problem), 3, generator=generator, dtype=torch.float64)
    assert (problem.along(v) * u).sum().item() == pytest.approx((v @ problem.back(u)).item())


@pytest.mark.parametrize("layers", [0, 2, 1])
def test_three_solvers_reach_one_solution(layers: int) -> None:
    problem = small_problem(8, layers=layers)
    exact = closed_form(problem) if layers != 1 else Dual.of(problem).solution().delta_P
    found = {
        "cg": conjugate_gradients(problem, kfac(problem), tolerance=1e-6, steps=200),
        "sgd": stochastic(problem, kfac(problem), tolerance=1e-4, passes=600, batch=6, seed=0),
        "dual": Dual.of(problem).solution(),
    }
    predictions = problem.along(exact)
    for solution in found.values():
        assert solution.residuals[-1] <= 1e-4, solution.solver
        assert (problem.along(solution.delta_P) - predictions).norm() <= 1e-3 * predictions.norm(), solution.solver
    assert problem.loss(exact) <= min(problem.loss(s.delta_P) for s in found.values()) * (1 + 1e-9)


def test_two_seeds_and_two_orders_give_one_solution() -> None:
    problem = small_problem(8)
    order = np.random.default_rng(0).permutation(len(problem))
    other = Problem(problem.net, problem.prefix_n[order], problem.residual_nD[order], problem.ridge, batch=7)
    first = stochastic(problem, kfac(problem, seed=0), tolerance=1e-4, passes=600, batch=6, seed=0)
    second = stochastic(other, kfac(other, seed=1), tolerance=1e-4, passes=600, batch=4, seed=1)
    a, b = problem.along(first.delta_P), problem.along(second.delta_P)
    assert (a - b).norm() < 1e-3 * a.norm()


def test_the_preconditioner_saves_steps_where_inputs_have_many_scales() -> None:
    torch.manual_seed(0)
    net = Linearised(Embedder(nn.Identity(), 60, 2, Preprocess(size_px=8)).double().eval(), layers=0)
    x = torch.randn(200, 60, dtype=torch.float64) * torch.logspace(-1, 1, 60, dtype=torch.float64)
    problem = Problem.of(net, x, torch.randn(200, 2, dtype=torch.float64), ridge=1e-6)
    steps = [
        conjugate_gradients(problem, precondition, tolerance=1e-6, steps=500).steps
        for precondition in (kfac(problem), lambda v: v)
    ]
    assert steps[0] * 3 < steps[1]


def test_stochastic_gradients_end_at_the_optimum_where_few_images_are_steep() -> None:
    torch.manual_seed(0)
    net = Linearised(Embedder(nn.Identity(), 40, 2, Preprocess(size_px=8)).double().eval(), layers=0)
    steep = torch.where(torch.arange(256)[:, None] % 16 == 0, 8.0, 1.0)
    x = torch.randn(256, 40, dtype=torch.float64) * steep
    problem = Problem.of(net, x, torch.randn(256, 2, dtype=torch.float64), ridge=1e-3)
    for precondition in (kfac(problem), lambda v: v):
        found = stochastic(problem, precondition, tolerance=1e-3, passes=60, batch=4, seed=0)
        assert found.residuals[-1] <= 1e-3


def test_steps_are_counted_and_a_solver_that_is_stopped_says_how_far_it_came() -> None:
    problem = small_problem()
    stopped = conjugate_gradients(problem, lambda v: v, tolerance=1e-12, steps=3)
    assert (stopped.steps, len(stopped.residuals)) == (3, 4)
    assert stopped.residuals[-1] > 1e-12
    passes = stochastic(problem, lambda v: v, tolerance=1e-12, passes=2, batch=4, seed=0)
    assert (passes.steps, len(passes.residuals)) == (6, 3)


def test_nothing_to_learn_is_solved_by_nothing() -> None:
    problem = small_problem()
    done = Problem(problem.net, problem.prefix_n, torch.zeros_like(problem.residual_nD), 0.1)
    for solution in (
        conjugate_gradients(done, lambda v: v, tolerance=1e-4, steps=5),
        stochastic(done, lambda v: v, tolerance=1e-4, passes=5, batch=4, seed=0),
    ):
        assert solution.steps == 0
        assert bool((solution.delta_P == 0).all())


def test_outputs_that_point_at_the_cloud_are_left_alone_whatever_their_length() -> None:
    net = small_problem().net
    prefix_n = small_problem().prefix_n
    f0_nD = outputs(net, prefix_n, 5)
    directions_nD = torch.nn.functional.normalize(f0_nD, dim=1)
    assert len(f0_nD.norm(dim=1).round(decimals=3).unique()) > 1
    problem = Problem.of(net, prefix_n, cloud_targets(directions_nD, f0_nD), 0.1)
    assert problem.residual_nD.abs().max() < 1e-12
    with pytest.raises(ConfigError, match="points away"):
        cloud_targets(-directions_nD, f0_nD)


def test_largest_eigenvalue_is_that_of_the_dense_matrix() -> None:
    problem = small_problem(layers=2)
    images = np.arange(len(problem))
    dense = torch.stack([problem.hessian(row) for row in torch.eye(problem.net.size, dtype=torch.float64)])
    top = torch.linalg.eigvalsh(dense)[-1].item()
    assert largest_eigenvalue(problem, lambda v: v, images) == pytest.approx(top, rel=0.1)
