"""A task with few labelled images a class: every arm on the same draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hetvs.config import LinearConfig
from hetvs.files import digest_bytes
from hetvs.linear.network import Linearised
from hetvs.linear.targets import label_targets
from hetvs.manifest import Manifest
from hetvs.models.storage import load_run
from hetvs.training.tangent import with_head
from hetvs.training.tangent_data import Chosen, choose, prefixes, read_pixels
from studies.lqf.arms import LQF, RATES, RIDGES, Fit, Predict, best_of, convex, cross_entropy, descent, half_squares

JUDGED = 1000  # test images, at most
SELECTED = 500  # val images that choose among the trials of every arm, at most
ALPHA = 15.0
EVERY_LAYER = 0
CG_STEPS = 20  # on val five gave what sixty gave
Trial = Callable[[], Predict]


@dataclass(frozen=True)
class Data:
    """The images of one draw: train, val that chooses, test that judges, each with its class numbers."""

    train: Chosen
    val: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Net:
    """One start, linearised, with what its adapted layers see of the images."""

    fit: Fit
    val: Tensor
    test: Tensor


def labelled(manifest: Manifest, column: str) -> Manifest:
    """Return the manifest with `column` as its labels: a task of its own on the same images."""
    return manifest if column == "label" else replace(manifest, labels=manifest.column(column))


def draw(manifest: Manifest, start: Path, shots: int, seed: int) -> Data:
    """Return the images of a draw of `shots` a class (0 takes all)."""
    preprocess = load_run(start)[1].preprocess
    train = choose(manifest, preprocess, LinearConfig(target="labels", per_class=shots, draw_seed=seed))
    number = {label: c for c, label in enumerate(sorted(set(train.labels)))}

    def judged(split: str, count: int) -> tuple[Tensor, Tensor]:
        rows = manifest.rows(split)
        rows = rows[[str(label) in number for label in manifest.labels[rows]]]
        order = sorted(range(len(rows)), key=lambda i: digest_bytes(str(manifest.ids[rows[i]]).encode()))
        rows = rows[order[:count]]
        classes = torch.tensor([number[str(label)] for label in manifest.labels[rows]])
        return read_pixels(manifest, rows, preprocess, f"read {split} images"), classes

    return Data(train, judged("val", SELECTED), judged("test", JUDGED))


def net_of(start: Path, data: Data, layers: int) -> Net:
    """Return a start with a new head for the classes of the draw."""
    _, embedder = with_head(load_run(start)[0], data.train, ALPHA)
    net = Linearised(embedder, layers=layers)
    train, val, test = (prefixes(net, pixels, 64) for pixels in (data.train.pixels, data.val[0], data.test[0]))
    return Net(Fit(net, train, label_targets(data.train.labels, ALPHA)[1], half_squares), val, test)


def arms(leaky: Path, relu: Path, data: Data, seed: int, *, ablations: bool) -> dict[str, tuple[Net, list[Trial]]]:
    """Return the trials of every arm, three each, not run yet; with `ablations` those that lack an ingredient too."""
    ours, plain = (net_of(start, data, EVERY_LAYER) for start in (leaky, relu))
    head = net_of(leaky, data, 1)

    def ridge(net: Net, share: float, kfac: bool = True) -> Trial:
        return lambda: convex(net.fit, share, kfac=kfac, steps=CG_STEPS)[0]

    def moved(net: Net, rate: float, optimiser: str, linear: bool) -> Trial:
        fit = replace(net.fit, loss=cross_entropy)
        return lambda: descent(fit, rate, optimiser=optimiser, linear=linear, seed=seed)

    found = {
        LQF: (ours, [ridge(ours, share) for share in RIDGES]),
        "AdamW": (plain, [moved(plain, rate, "adamw", False) for rate in RATES["adamw"]]),
        "SGD": (plain, [moved(plain, rate, "sgd", False) for rate in RATES["sgd"]]),
        "linear head": (head, [ridge(head, share) for share in RIDGES]),
    }
    if not ablations:
        return found
    return found | {
        "without leaky ReLU": (plain, [ridge(plain, share) for share in RIDGES]),
        "without MSE": (ours, [moved(ours, rate, "adamw", True) for rate in RATES["adamw"]]),
        "without K-FAC": (ours, [ridge(ours, share, kfac=False) for share in RIDGES]),
        "standard linearisation": (plain, [moved(plain, rate, "sgd", True) for rate in RATES["sgd"]]),
    }


def right(predict: Predict, prefix: Tensor, classes: Tensor) -> np.ndarray:
    """Return whether the highest output is the class, one bit an image."""
    bits: np.ndarray = (predict(prefix).argmax(1) == classes).numpy()
    return bits


def judged(contest: Mapping[str, tuple[Net, list[Trial]]], data: Data) -> dict[str, dict[str, Any]]:
    """Return of every arm the bits of the test images, after its best trial on val, and which trial that was."""
    found = {}
    for name, (net, trials) in contest.items():

        def share(predict: Predict, net: Net = net) -> float:
            return float(right(predict, net.val, data.val[1]).mean())

        predict, chosen = best_of((trial() for trial in trials), share)
        found[name] = {"right": right(predict, net.test, data.test[1]).astype(int).tolist(), "trial": chosen}
    return found
