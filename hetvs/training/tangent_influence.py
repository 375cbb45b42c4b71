"""Which train image moved which val image, exactly: what would be if it had not been there, as figures and pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.errors import ConfigError
from hetvs.files import digest_bytes, write_json, write_text
from hetvs.linear.dual import Dual, jacobian
from hetvs.linear.problem import Problem
from hetvs.manifest import Manifest
from hetvs.retrieval.page import picture, rendered
from hetvs.training.tangent_after import Found
from hetvs.training.tangent_data import Chosen

SHOWN = 4  # train images that helped an image, and as many that harmed it


@dataclass(frozen=True)
class Influence:
    """One val image and the train images that moved it: ids with the change of its score, the strongest first.

    `score` is its cosine to the cloud's vector, or the height of its label (of its highest output, where
    the label is unknown) as a share of alpha. A positive change says: higher because the image was there.
    """

    query: str
    score: float
    helped: tuple[tuple[str, float], ...]
    harmed: tuple[tuple[str, float], ...]


def explain(
    manifest: Manifest, images: Chosen, problem: Problem, dual: Dual, found: Found, wanted: tuple[int, Tensor]
) -> list[Influence]:
    """Return the influence on some val images; `wanted` is how many, and (M, D) directions whose score is asked.

    A score is the cosine to its direction for the cloud's vectors, and the inner product for one-hot rows
    over alpha. ConfigError without a val split.
    """
    count, direction_MD = wanted
    if not len(found.rows):
        raise ConfigError(f"influence: {manifest.source} has no val image to explain")
    ids = manifest.ids[found.rows].tolist()
    shown = sorted(range(len(ids)), key=lambda i: digest_bytes(str(ids[i]).encode()))[:count]
    change_nMD = dual.influences(jacobian(problem.net, found.prefix_M[shown], problem.batch))
    outputs_MD = found.after_MD[shown]
    direction = direction_MD[shown]
    score_M = score(outputs_MD, direction, unit=found.cloud_MD is not None)
    without_nM = score(outputs_MD + change_nMD, direction, unit=found.cloud_MD is not None)
    return [
        _influence(str(ids[position]), score_M[m].item(), score_M[m] - without_nM[:, m], images.ids)
        for m, position in enumerate(shown)
    ]


def score(outputs_MD: Tensor, direction_MD: Tensor, *, unit: bool) -> Tensor:
    """Return <output, direction> over the last axis, of unit outputs if asked."""
    left = F.normalize(outputs_MD, dim=-1) if unit else outputs_MD
    return (left * direction_MD).sum(-1)


def label_directions(found: Found, labels: list[str], classes: tuple[str, ...], alpha: float) -> Tensor:
    """Return one-hot rows (M, C) over alpha: of an image's label, or of its highest output where that is no class."""
    number = {label: c for c, label in enumerate(classes)}
    highest = found.after_MD.argmax(1).tolist()
    chosen = [number.get(label, top) for label, top in zip(labels, highest, strict=True)]
    return torch.eye(len(classes), dtype=torch.float64)[chosen] / alpha


def write_influence(folder: Path, manifest: Manifest, influences: list[Influence]) -> None:
    """Write influence.json and influence.html; the page holds its pictures."""
    write_json(folder / "influence.json", [asdict(influence) for influence in influences])
    row_of = {image_id: row for row, image_id in enumerate(manifest.ids.tolist())}

    def shown(image_id: str, label: str) -> object:
        return picture(manifest, row_of[image_id], label)

    strips = []
    for influence in influences:
        label = str(manifest.labels[row_of[influence.query]])
        sides = [[(shown(i, label), change) for i, change in side] for side in (influence.helped, influence.harmed)]
        strips.append({"query": shown(influence.query, label), "score": influence.score, "sides": sides})
    write_text(folder / "influence.html", rendered("influence.html.j2", strips=strips))


def _influence(query: str, value: float, change_n: Tensor, ids: tuple[str, ...]) -> Influence:
    order = change_n.argsort(descending=True, stable=True).tolist()
    sides = ([i for i in order if change_n[i] > 0], [i for i in reversed(order) if change_n[i] < 0])
    helped, harmed = (tuple((ids[i], float(f"{change_n[i].item():.4g}")) for i in side[:SHOWN]) for side in sides)
    return Influence(query, round(value, 6), helped, harmed)
