"""What a linear fine-tuning did: the val split before and after, and the drift of the space."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from hetvs.encoders import Encoder
from hetvs.linear.drift import Drift, drift_of, move_bound
from hetvs.linear.dual import BUDGET_BYTES, jacobian
from hetvs.linear.problem import Problem, Solution, is_head_only, outputs, tangents
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess
from hetvs.training.tangent_data import cloud_vectors, prefixes, read_pixels
from hetvs.training.validation import Validation

BOUNDED = 16  # val images whose bound is computed, at most


@dataclass(frozen=True)
class Found:
    """The val images: their rows, outputs before and after (M, D), the cloud's vectors if any, metrics, the drift.

    `bound_share` is the largest move of an image as a share of what ||J_x|| ||dw|| allows; None where unknown.
    Without a val split the images are those of the problem.
    """

    rows: np.ndarray
    prefix_M: Tensor
    before_MD: Tensor
    after_MD: Tensor
    cloud_MD: Tensor | None
    metrics: dict[str, float]
    drift: Drift
    bound_share: float | None

    def facts(self) -> dict[str, float | None]:
        """Return the drift as a card holds it."""
        numbers = asdict(self.drift) | {"bound_share": self.bound_share}
        return {name: None if value is None else round(value, 6) for name, value in numbers.items()}


def measure(
    manifest: Manifest, cloud: Encoder | None, preprocess: Preprocess, problem: Problem, solution: Solution,
    classes: tuple[str, ...],
) -> Found:  # fmt: skip
    """Return what became of the val split."""
    validation = Validation(manifest, "")
    rows, prefix_M = validation.rows, problem.prefix_n
    if len(rows):
        pixels = read_pixels(manifest, rows, preprocess, "read val images")
        prefix_M = prefixes(problem.net, pixels, problem.batch)
    before = outputs(problem.net, prefix_M, problem.batch)
    after = before + tangents(problem.net, prefix_M, solution.delta_P, problem.batch)
    cloud_MD = None if cloud is None or not len(rows) else cloud_vectors(cloud, manifest, rows, "embed val")
    metrics = {}
    if len(rows) and cloud_MD is not None:
        metrics = _against_cloud(validation, before, after, cloud_MD)
    elif len(rows):
        metrics = validation.metrics(_unit(after), _unit(after), "g,g") | _accuracy(manifest, rows, after, classes)
    return Found(
        rows, prefix_M, before, after, cloud_MD, metrics, drift_of(problem, solution, before, after),
        _bound_share(problem, prefix_M, solution, before, after),
    )  # fmt: skip


def _against_cloud(validation: Validation, before: Tensor, after: Tensor, cloud_MD: Tensor) -> dict[str, float]:
    """Return M(tuned, cloud), M(start, cloud), the cosines, and the negative flips between the two at rank 1."""
    gallery = cloud_MD.numpy()
    metrics = validation.metrics(_unit(after), gallery, "q,g")
    first = validation.metrics(_unit(before), gallery, "q,g")
    metrics |= {name.replace("val/", "val/start "): value for name, value in first.items()}
    for name, vectors in (("start ", before), ("", after)):
        cosine = (F.normalize(vectors, dim=1) * cloud_MD).sum(1).mean().item()
        metrics[f"val/{name}q,g/cosine"] = round(cosine, 6)
    was, now = (validation.per_query(_unit(vectors), gallery) for vectors in (before, after))
    if was:
        lost = (was["recall@1"] > 0) & (now["recall@1"] == 0)
        metrics["val/nfr@1"] = round(float(lost.mean()), 6)
    return metrics


def _accuracy(manifest: Manifest, rows: np.ndarray, after: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """Return the share of val images of known classes whose highest output is their label; empty without one."""
    labels = manifest.labels[rows]
    known = np.isin(labels, classes)
    if not known.any():
        return {}
    said = np.array(classes)[after.argmax(1).numpy()]
    return {"val/accuracy": round(float((said == labels)[known].mean()), 6)}


def _bound_share(problem: Problem, prefix_M: Tensor, solution: Solution, before: Tensor, after: Tensor) -> float | None:
    dim = before.shape[1]
    count = min(BOUNDED, len(prefix_M), BUDGET_BYTES // (8 * dim * problem.net.size))
    norm = solution.delta_P.norm().item()
    if not count or not norm:
        return None
    rows = jacobian(problem.net, prefix_M[:count], problem.batch)
    bound = move_bound(rows, norm, count)
    if is_head_only(problem.net):  # its rows are shared by every output
        bound = bound * dim**0.5
    return float(((after - before)[:count].norm(dim=1) / bound).max())


def _unit(vectors: Tensor) -> np.ndarray:
    unit: np.ndarray = F.normalize(vectors, dim=1).float().numpy()
    return np.ascontiguousarray(unit)
