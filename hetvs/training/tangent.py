"""finetune-linear: a trained model is adapted as a convex problem, and stays in its space."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hetvs.artifacts import ModelCard
from hetvs.config import LinearConfig
from hetvs.encoders import Encoder
from hetvs.errors import ConfigError
from hetvs.linear.cg import conjugate_gradients
from hetvs.linear.dual import Dual, choose_ridge
from hetvs.linear.factors import gather_factors, mean_diagonal
from hetvs.linear.network import Linearised
from hetvs.linear.preconditioner import Preconditioner
from hetvs.linear.problem import Apply, Problem, Solution, outputs
from hetvs.linear.sgd import stochastic
from hetvs.linear.targets import cloud_targets, label_targets
from hetvs.manifest import Manifest
from hetvs.models.backbones import TANGENT
from hetvs.models.embedder import Embedder
from hetvs.models.storage import load_run
from hetvs.training.ridge import ridge
from hetvs.training.tangent_after import measure
from hetvs.training.tangent_data import Chosen, choose, cloud_vectors, open_cloud, prefixes
from hetvs.training.tangent_influence import explain, label_directions, write_influence
from hetvs.training.tangent_run import Tuned, write_tuned

FACTOR_IMAGES = 1024  # that the preconditioner is made of, at most
HEAD_DAMPING = 1.0  # of a new head's closed-form fit: strong, so that it leaves something to learn


@dataclass(frozen=True)
class Fitted:
    """A problem, its solution, and the dual where that was the solver."""

    problem: Problem
    solution: Solution
    dual: Dual | None


def finetune_linear(
    manifest: Manifest, start: Path, teacher: Path | None, output: Path, config: LinearConfig
) -> ModelCard:
    """Adapt the run `start` on the train images of `manifest`; write a run to `output` and return its card.

    With target cloud the vectors of `teacher` are fitted and its space is kept; with target labels the
    model gets a new head and a space of its own. Raises ConfigError when the start is not a plain run,
    IncompatibleSpaceError when it is not in the teacher's space, ArtifactError for a broken run.
    """
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    first, card = load_run(start)
    if card.backbone.startswith(TANGENT):
        raise ConfigError(f"start {start} is a tangent network already; start from the run that it was made of")
    if (config.target == "cloud") != (teacher is not None):
        raise ConfigError("target cloud needs --teacher, whose vectors are fitted; target labels has none")
    cloud = open_cloud(teacher, card, config.threads)
    images = choose(manifest, card.preprocess, config)
    classes: tuple[str, ...] = ()
    if config.target == "labels":
        classes, first = with_head(first, images, config.alpha)
    net = Linearised(first, layers=config.layers, fold=config.fold)
    prefix_n = prefixes(net, images.pixels, config.batch_size)
    target_nD = _targets(net, prefix_n, images, cloud, manifest, config)
    fitted = solve(Problem.of(net, prefix_n, target_nD, 0.0, config.batch_size), config)
    fitted = _without(fitted, images, config)
    found = measure(manifest, cloud, card.preprocess, fitted.problem, fitted.solution, classes)
    if config.influence and fitted.dual is not None:
        labels = manifest.labels[found.rows].tolist()
        wanted = label_directions(found, labels, classes, config.alpha) if found.cloud_MD is None else found.cloud_MD
        explained = explain(manifest, images, fitted.problem, fitted.dual, found, (config.influence, wanted))
        write_influence(output, manifest, explained)
    net.set_delta(fitted.solution.delta_P)
    tuned = Tuned(manifest=str(manifest.source), start=card, embedder=first, net=net, classes=classes, config=config)
    return write_tuned(output, tuned, fitted.problem, fitted.solution, found)


def with_head(embedder: Embedder, images: Chosen, alpha: float) -> tuple[tuple[str, ...], Embedder]:
    """Return the classes and the embedder with a new projection (D_h -> C), by damped least squares on its features.

    Deterministic, so that the whole problem is. A head of zeros would leave the trunk without a tangent.
    """
    classes, target_nC = label_targets(images.labels, alpha)
    if len(classes) < 2:
        raise ConfigError(f"labels: the images have {len(classes)} class; a classifier needs at least 2")
    with torch.no_grad():
        features = torch.cat([embedder.features(part) for part in torch.split(images.pixels, 256)])
    headed = copy.deepcopy(embedder)
    weight, bias = ridge(features, target_nC, HEAD_DAMPING)
    headed.projection = nn.Linear(features.shape[1], len(classes))
    with torch.no_grad():
        headed.projection.weight.copy_(weight)
        headed.projection.bias.copy_(bias)
    return classes, headed


def solve(problem: Problem, config: LinearConfig) -> Fitted:
    """Return the solution that the settings ask for; lambda is a share of the curvature of `problem`."""
    if config.solver == "dual":
        dual = Dual.of(problem)
        absolute = config.ridge * dual.mean_diagonal if config.ridge else choose_ridge(dual)[0]
        dual, problem = replace(dual, ridge=absolute), replace(problem, ridge=absolute)
        return Fitted(problem, dual.solution(), dual)
    diagonal = mean_diagonal(problem.net, problem.prefix_n[:FACTOR_IMAGES], batch=config.batch_size)
    problem = replace(problem, ridge=config.ridge * diagonal)
    precondition = preconditioner_of(problem, config)
    if config.solver == "cg":
        return Fitted(
            problem, conjugate_gradients(problem, precondition, tolerance=config.tolerance, steps=config.steps), None
        )
    solution = stochastic(
        problem,
        precondition,
        tolerance=config.tolerance,
        passes=config.steps,
        batch=config.batch_size,
        seed=config.seed,
    )
    return Fitted(problem, solution, None)


def preconditioner_of(problem: Problem, config: LinearConfig) -> Apply:
    """Return the Kronecker-factored inverse, or what changes nothing without `kfac`."""
    if not config.kfac:
        return lambda vector_P: vector_P
    factors = gather_factors(problem.net, problem.prefix_n[:FACTOR_IMAGES], seed=config.seed, batch=config.batch_size)
    return Preconditioner(problem.net, factors, problem.ridge, config.damping)


def _targets(
    net: Linearised, prefix_n: Tensor, images: Chosen, cloud: Encoder | None, manifest: Manifest, config: LinearConfig
) -> Tensor:
    if cloud is None:
        return label_targets(images.labels, config.alpha)[1]
    vectors_nD = cloud_vectors(cloud, manifest, images.rows, "embed with the cloud")
    return cloud_targets(vectors_nD, outputs(net, prefix_n, config.batch_size))


def _without(fitted: Fitted, images: Chosen, config: LinearConfig) -> Fitted:
    """Take away what the settings name; the problem is then that of the other images, n lambda held."""
    if not config.without or fitted.dual is None:
        return fitted
    gone = images.positions(config.without)
    problem, dual = fitted.problem, fitted.dual
    kept = [image for image in range(len(problem)) if image not in gone]
    less = Problem(
        problem.net,
        problem.prefix_n[kept],
        problem.residual_nD[kept],
        problem.ridge * len(problem) / len(kept),
        problem.batch,
    )
    solution = dual.solution(dual.without(gone))
    right = less.right_side()
    residual = (less.hessian(solution.delta_P) - right).norm() / right.norm()
    return Fitted(less, replace(solution, residuals=(residual.item(),)), None)
