"""Deltas of several sites in one model: f is affine in dw, so what they learned adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hetvs.artifacts import ModelCard
from hetvs.errors import ConfigError
from hetvs.linear.delta import Delta, combine
from hetvs.linear.network import Linearised
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.storage import load_run, save_run, weights_digest
from hetvs.training.tangent_run import shipped


def add_runs(start: Path, runs: Sequence[Path], signs: Sequence[float], output: Path) -> ModelCard:
    """Write the run of w0 + sum sign * dw, dw those of `runs`; return its card.

    ConfigError when a delta is not of this start, or of other layers than the first: outputs with a new
    head of their own do not add, and their start is another one too.
    """
    first, card = load_run(start)
    total = combine([Delta.load(run) for run in runs], signs)
    if total.start != card.weights_digest:
        raise ConfigError(f"{runs[0]}: its delta is not of {start}; give the run that it was started from")
    targets = {str(ModelCard.load(run).training.get("target")) for run in runs}
    if targets != {"cloud"}:
        raise ConfigError("a delta of target labels has a head of its own; give runs of target cloud")
    net = Linearised(first, layers=len(total.layers), fold=total.fold)
    net.set_delta(total.vector_P)
    total.save(output)
    name, options, embedder = shipped(card, first, net)
    facts = {
        "mode": "merged" if name == card.backbone else "tangent",
        "target": "cloud",
        "start": card.name,
        "start_digest": card.weights_digest,
        "start_macs": card.macs,
        "layers": list(net.layers()),
        "fold": net.fold,
        "activations": list(net.trunk.activations),
        "sites": {str(run): sign for run, sign in zip(runs, signs, strict=True)},
        "images": total.images,
        **({"data": card.training["data"]} if "data" in card.training else {}),
    }
    summed = ModelCard(
        name=output.name,
        role="student",
        backbone=name,
        backbone_options=options,
        space=card.space,
        preprocess=card.preprocess,
        weights_digest=weights_digest(embedder),
        macs=macs_of(embedder, card.preprocess.size_px),
        parameters=parameters_of(embedder),
        training=facts,
    )
    save_run(output, embedder, summed)
    return summed
