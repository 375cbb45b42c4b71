"""K-FAC factors against loops and exact inverses; the preconditioner against dense matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hetvs.config import linear as config
from hetvs.linear.cg import conjugate_gradients
from hetvs.linear.factors import Factor, factor_of, gather_factors, mean_diagonal
from hetvs.linear.network import Linearised
from hetvs.linear.preconditioner import DAMPINGS, Preconditioner, damped, exactly
from hetvs.linear.tape import Seen, by_group, one_hot_cotangents, patches_of, watch
from hetvs.models.embedder import Embedder
from hetvs.preprocess import Preprocess
from tests.tiny_tangent import pixels_of, small_embedder, small_problem


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear_net(inputs: int, outputs: int) -> Linearised:
    torch.manual_seed(0)
    return Linearised(Embedder(nn.Identity(), inputs, outputs, Preprocess(size_px=8)).double().eval(), layers=0)


def test_one_linear_layer_is_the_exact_gauss_newton_inverse() -> None:
    net = linear_net(3, 2)
    x = random(20, 3)
    (factor,) = gather_factors(net, x, seed=0, batch=8)
    rows = torch.cat(
        [torch.cat([layer.gradients() for layer in seen], 1) for seen in watch(net, x, one_hot_cotangents(20, x, 2))]
    )
    hessian = rows.T @ rows / 20
    assert torch.allclose(factor.g_goo[0], torch.eye(2, dtype=torch.float64))
    gradient = random(net.size, seed=1)
    a, g = damped(factor.a_gdd[0], factor.g_goo[0], 0.0)
    matrix = torch.cat([gradient[:6].view(2, 3), gradient[6:, None]], 1)
    step = torch.linalg.solve(g, matrix) @ torch.linalg.inv(a)
    exact = torch.linalg.solve(hessian, gradient)
    torch.testing.assert_close(torch.cat([step[:, :-1].flatten(), step[:, -1]]), exact)


def test_grouped_convolution_equals_a_loop_over_groups() -> None:
    layer = nn.Conv2d(6, 4, 3, stride=2, padding=1, groups=2).double()
    x, slope = random(5, 6, 7, 7), random(5, 4, 4, 4, seed=1)
    factor = factor_of([Seen("c", layer, patches_of(layer, x), by_group(layer, slope))])
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    for group in range(2):
        a_dd = torch.zeros(28, 28, dtype=torch.float64)
        g_oo = torch.zeros(2, 2, dtype=torch.float64)
        for image in range(5):
            for row in range(4):
                for column in range(4):
                    part = padded[image, 3 * group : 3 * group + 3, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
                    a = torch.cat([part.flatten(), torch.ones(1, dtype=torch.float64)])
                    g = slope[image, 2 * group : 2 * group + 2, row, column]
                    a_dd += torch.outer(a, a) / 5
                    g_oo += torch.outer(g, g) / (5 * 16)
        torch.testing.assert_close(factor.a_gdd[group], a_dd)
        torch.testing.assert_close(factor.g_goo[group], g_oo)


def test_a_plain_unfold_that_ignores_groups_is_another_matrix() -> None:
    layer = nn.Conv2d(6, 6, 3, groups=6)
    patches = patches_of(layer, torch.zeros(2, 6, 5, 5))
    assert patches.shape == (2, 6, 10, 9)  # six groups of 9 + 1 inputs, not one of 54


def test_1x1_on_a_1x1_map_is_a_linear_layer() -> None:
    linear, conv = nn.Linear(5, 3).double(), nn.Conv2d(5, 3, 1).double()
    x, slope = random(7, 5), random(7, 3, seed=1)
    flat = factor_of([Seen("l", linear, patches_of(linear, x), by_group(linear, slope))])
    mapped = factor_of(
        [Seen("c", conv, patches_of(conv, x[:, :, None, None]), by_group(conv, slope[:, :, None, None]))]
    )
    torch.testing.assert_close(flat.a_gdd, mapped.a_gdd)
    torch.testing.assert_close(flat.g_goo, mapped.g_goo)


def test_a_layer_before_a_mean_is_exact() -> None:
    """Averaged inputs and summed gradients: A kron G is then the mean of the products, not the product of means."""
    layer = nn.Conv2d(2, 1, 1, bias=False).double()
    x = random(1, 2, 3, 3)
    slope = torch.full((1, 1, 3, 3), 1 / 9, dtype=torch.float64)
    seen = Seen("c", layer, patches_of(layer, x), by_group(layer, slope))
    factor = factor_of([seen])
    gradient = seen.gradients()[0]
    torch.testing.assert_close(factor.g_goo[0, 0, 0] * factor.a_gdd[0], torch.outer(gradient, gradient))


def test_gradients_of_an_image_are_those_of_autograd() -> None:
    problem = small_problem(4)
    net, prefix = problem.net, problem.prefix_n
    v = random(4, 3)
    (seen,) = watch(net, prefix, iter([v]))
    mine = torch.cat([layer.gradients() for layer in seen], dim=1)
    for image in range(4):
        alone = torch.zeros_like(v)
        alone[image] = v[image]
        torch.testing.assert_close(mine[image], problem.back(alone))


@pytest.mark.parametrize("damping", ["exact", "split"])
def test_the_preconditioner_is_the_inverse_of_the_damped_factors(damping: str) -> None:
    problem = small_problem()
    net = problem.net
    factors = gather_factors(net, problem.prefix_n, seed=0, batch=5)
    apply = Preconditioner(net, factors, 0.1, damping)
    dense = torch.stack([apply(row) for row in torch.eye(net.size, dtype=torch.float64)])
    torch.testing.assert_close(dense, dense.T)
    assert torch.linalg.eigvalsh(dense).min() > 0
    a, g = factors[-1].a_gdd[0], factors[-1].g_goo[0]
    if damping == "split":
        share = a.diagonal().mean() * g.diagonal().mean()
        whole = torch.kron(*reversed(damped(a, g, 0.1 + 1e-3 * share.item())))
    else:
        whole = torch.kron(g, a) + 0.1 * torch.eye(15, dtype=torch.float64)
    weights = net.projection.weight.numel()
    block = torch.linalg.inv(whole).view(3, 5, 3, 5)[:, :-1, :, :-1].reshape(weights, weights)
    torch.testing.assert_close(dense[-weights - 3 : -3, -weights - 3 : -3], block)


def test_every_damping_of_the_settings_is_there() -> None:
    assert tuple(DAMPINGS) == config.DAMPINGS


def test_the_projection_alone_is_solved_in_one_step() -> None:
    problem = small_problem(40, dim=20, layers=1)
    factors = gather_factors(problem.net, problem.prefix_n, seed=0, batch=8)
    apply = Preconditioner(problem.net, factors, problem.ridge)
    assert conjugate_gradients(problem, apply, tolerance=1e-6, steps=9).steps == 1


def test_a_dead_layer_is_damped_all_the_same() -> None:
    dead = Factor("dead", torch.zeros(1, 2, 2, dtype=torch.float64), torch.zeros(1, 3, 3, dtype=torch.float64))
    a, g = damped(dead.a_gdd[0], dead.g_goo[0], 0.25)
    torch.testing.assert_close(torch.kron(g, a), 0.25 * torch.eye(6, dtype=torch.float64))
    ones = torch.ones(1, 3, 2, dtype=torch.float64)
    torch.testing.assert_close(exactly(dead, 0.25)(ones), 4 * ones)


@pytest.mark.parametrize("dim", [3, 20])
def test_mean_diagonal_is_the_trace(dim: int) -> None:
    net = Linearised(small_embedder(dim), layers=0)
    prefix = net.prefix(pixels_of(200))
    rows = [
        torch.cat([s.gradients() for s in seen], 1) for seen in watch(net, prefix, one_hot_cotangents(200, prefix, dim))
    ]
    exact = torch.stack(rows).square().sum().item() / (200 * net.size)
    assert mean_diagonal(net, prefix, batch=64) == pytest.approx(exact, rel=1e-9 if dim == 3 else 0.1)
    hidden = gather_factors(net, prefix, seed=1, batch=64)[-2].g_goo
    every = factor_of([layers[-2] for layers in watch(net, prefix, one_hot_cotangents(200, prefix, dim))]).g_goo * dim
    torch.testing.assert_close(hidden, every, atol=0, rtol=1e-9 if dim == 3 else 0.3)
