"""The run that a linear fine-tuning leaves: weights, delta, card; merged into a plain one where that is exact."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch

from hetvs.artifacts import ModelCard
from hetvs.config import LinearConfig
from hetvs.files import write_text
from hetvs.linear.delta import delta_of
from hetvs.linear.network import Linearised, to_tangent_state
from hetvs.linear.problem import Problem, Solution, is_head_only
from hetvs.models.backbones import TANGENT, build_backbone
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import Prototypes, save_run, weights_digest
from hetvs.training.run import CONFIG_NAME, own_space
from hetvs.training.tangent_after import Found


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was adapted: the card of the start, its embedder (with the new head for labels), the network, classes."""

    manifest: str
    start: ModelCard
    embedder: Embedder
    net: Linearised
    classes: tuple[str, ...]
    config: LinearConfig


def shipped(start: ModelCard, first: Embedder, net: Linearised) -> tuple[str, dict[str, Any], Embedder]:
    """Return backbone id, its options and the embedder that computes norm(f0 + J dw) of `first`, whose card is `start`.

    When the projection alone adapts that is the start itself with another projection; else the trunk
    carries two streams, and its cost is what its card counts.
    """
    if is_head_only(net):
        merged = copy.deepcopy(first)
        with torch.no_grad():
            merged.projection.weight.add_(net.delta.weight)
            merged.projection.bias.add_(net.delta.bias)
        return start.backbone, start.backbone_options, merged.eval()
    name = TANGENT + start.backbone
    options = {**start.backbone_options, "adapted": list(net.trunk.adapted), "fold": net.fold}
    backbone = build_backbone(name, options, start.preprocess.size_px)
    embedder = Embedder(backbone.trunk, backbone.features, net.projection.out_features, start.preprocess)
    embedder.load_state_dict(to_tangent_state(net))
    return name, options, embedder.requires_grad_(False).eval()


def write_tuned(folder: Path, tuned: Tuned, problem: Problem, solution: Solution, found: Found) -> ModelCard:
    """Write settings, delta, weights and, last, the card; return it."""
    start, config = tuned.start, tuned.config
    write_text(folder / CONFIG_NAME, tomli_w.dumps(asdict(config)))
    delta_of(tuned.net, solution.delta_P, start.weights_digest, len(problem)).save(folder)
    name, options, embedder = shipped(start, tuned.embedder, tuned.net)
    card = ModelCard(
        name=folder.name,
        role="teacher" if tuned.classes else "student",
        backbone=name,
        backbone_options=options,
        space=own_space(embedder, start.preprocess) if tuned.classes else start.space,
        preprocess=start.preprocess,
        weights_digest=weights_digest(embedder),
        macs=macs_of(embedder, start.preprocess.size_px),
        parameters=parameters_of(embedder),
        validation=found.metrics,
        training=_facts(tuned, problem, solution) | {"drift": found.facts()},
    )
    prototypes = None
    if tuned.classes:  # the highest output is the nearest of the axes
        prototypes = Prototypes(torch.eye(len(tuned.classes)), tuned.classes, config.alpha)
    save_run(folder, embedder, card, prototypes)
    return card


def _facts(tuned: Tuned, problem: Problem, solution: Solution) -> dict[str, Any]:
    """Return what makes it linear-quadratic, or shows that it is not: activation, solver, adapted layers."""
    net, config = tuned.net, tuned.config
    return {
        "mode": "merged" if is_head_only(net) else "tangent",
        "seed": config.seed,
        "data": tuned.manifest,
        "rows": config.rows,
        "images": len(problem),
        "start": tuned.start.name,
        "start_digest": tuned.start.weights_digest,
        "start_macs": tuned.start.macs,
        "target": config.target,
        "activations": list(net.trunk.activations),
        "layers": list(net.layers()),
        "fold": net.fold,
        "solver": solution.solver,
        "kfac": config.kfac and config.solver != "dual",
        "ridge": problem.ridge,
        "steps": solution.steps,
        "residual": solution.residuals[-1],
    }
