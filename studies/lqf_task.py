"""One job of the study: a task with few labelled images a class, every arm on the same draw; writes result.json."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from hetvs.config import LinearConfig
from hetvs.files import digest_bytes, new_folder, write_json
from hetvs.linear.network import Linearised
from hetvs.linear.targets import label_targets
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.cost import macs_of
from hetvs.models.storage import load_run
from hetvs.training.tangent import with_head
from hetvs.training.tangent_data import Chosen, choose, prefixes, read_pixels
from studies.lqf_arms import RATES, RIDGES, STEPS, Fit, Predict, best_of, convex, cross_entropy, descent, half_squares

JUDGED = 2000  # test images, at most
SELECTED = 500  # val images that choose among the trials of every arm, at most
ALPHA = 15.0
LQF = "linear-quadratic"
RIVALS = ("AdamW", "SGD", "linear head")
ABLATIONS = ("without leaky ReLU", "without MSE", "without K-FAC", "standard linearisation")
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


def arms(leaky: Path, relu: Path, data: Data, layers: int, seed: int) -> dict[str, tuple[Net, list[Trial]]]:
    """Return the trials of every arm, three each, not run yet."""
    ours, plain = (net_of(start, data, layers) for start in (leaky, relu))
    head = net_of(leaky, data, 1)

    def ridge(net: Net, share: float, kfac: bool = True) -> Trial:
        return lambda: convex(net.fit, share, kfac=kfac, steps=60)[0]

    def moved(net: Net, rate: float, optimiser: str, linear: bool) -> Trial:
        fit = replace(net.fit, loss=cross_entropy)
        return lambda: descent(fit, rate, optimiser=optimiser, linear=linear, seed=seed)

    return {
        LQF: (ours, [ridge(ours, share) for share in RIDGES]),
        "AdamW": (plain, [moved(plain, rate, "adamw", False) for rate in RATES["adamw"]]),
        "SGD": (plain, [moved(plain, rate, "sgd", False) for rate in RATES["sgd"]]),
        "linear head": (head, [ridge(head, share) for share in RIDGES]),
        "without leaky ReLU": (plain, [ridge(plain, share) for share in RIDGES]),
        "without MSE": (ours, [moved(ours, rate, "adamw", True) for rate in RATES["adamw"]]),
        "without K-FAC": (ours, [ridge(ours, share, kfac=False) for share in RIDGES]),
        "standard linearisation": (plain, [moved(plain, rate, "sgd", True) for rate in RATES["sgd"]]),
    }


def right(predict: Predict, prefix: Tensor, classes: Tensor) -> np.ndarray:
    """Return whether the highest output is the class, one bit an image."""
    bits: np.ndarray = (predict(prefix).argmax(1) == classes).numpy()
    return bits


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--column", default="label", help="Column of the manifest that is learned.")
@click.option("--leaky", type=click.Path(path_type=Path), required=True, help="Start with leaky ReLU.")
@click.option("--relu", type=click.Path(path_type=Path), required=True, help="The same with ReLU.")
@click.option("--shots", type=int, required=True, help="Images of each class; 0 takes all.")
@click.option("--layers", type=int, default=0, help="Last layers that adapt; 0 takes all.")
@click.option("--seed", type=int, required=True)
@click.option("--threads", type=int, default=1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    data: Path, column: str, leaky: Path, relu: Path, shots: int, layers: int, seed: int, threads: int, output: Path
) -> None:
    """Run every arm on one draw; choose among its trials on val, judge on test."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    drawn = draw(labelled(read_manifest(data), column), leaky, shots, seed)
    found = {}
    for name, (net, trials) in arms(leaky, relu, drawn, layers, seed).items():
        predict, chosen = best_of(
            (trial() for trial in trials),
            lambda p, net=net: float(right(p, net.val, drawn.val[1]).mean()),  # type: ignore[misc]
        )
        found[name] = {"right": right(predict, net.test, drawn.test[1]).astype(int).tolist(), "trial": chosen}
    embedder, card = load_run(leaky)
    facts = {"macs": macs_of(embedder, card.preprocess.size_px), "images": len(drawn.train.ids), "steps": STEPS}
    with new_folder(output, overwrite=True) as folder:
        write_json(folder / "result.json", {**facts, "arms": found})


if __name__ == "__main__":
    main()
