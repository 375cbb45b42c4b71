"""What an architecture is worth, by its cut of a supernet: rewards on the val split, in a second or so.

The gallery vectors are the teacher's, computed once: a judge that embedded the gallery with the candidate
would measure M(q,q), not M(q,g). Batch norm is recalibrated before anything is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from hetvs.encoders import Encoder
from hetvs.errors import ManifestError
from hetvs.manifest import Manifest
from hetvs.models.embedder import Embedder
from hetvs.nas.recalibration import recalibrate
from hetvs.nas.space import Architecture
from hetvs.nas.supernet import Supernet
from hetvs.retrieval.fidelity import OVERLAP_K, cosines, overlap
from hetvs.training.run import to_device
from hetvs.training.validation import Validation, read_pixels

CALIBRATION_IMAGES, CALIBRATION_BATCH = 640, 64
QUICK_IMAGES, QUICK_BATCH = 256, 128


@dataclass(frozen=True)
class Evidence:
    """The images that architectures are judged on, and what the teacher says of them: the same for all.

    `train` and `val` are pixels (n, 3, S, S) by their side S; `gallery_nD` are the teacher's vectors of the val
    images, `quick` the positions of a few of them.
    """

    train: Mapping[int, np.ndarray]
    validation: Validation
    gallery_nD: np.ndarray
    quick: np.ndarray


@dataclass(frozen=True)
class Judge:
    """Judges architectures of a supernet; it can be pickled, so that every worker of a search has one.

    Call `keep_freed_memory` and set torch's threads in a worker first: the time of a judgement halves.
    """

    supernet: Supernet
    evidence: Evidence

    def full(self, arch: Architecture) -> dict[str, float]:
        """Return the rewards of `arch` on all val images, 0..1: R1, R2, R3, R5 and what they are made of.

        R1 is M(q,q), R2 M(q,g) and R3 their product, M being mAP; R5 is the mean cosine to the teacher's
        vectors, and needs no label. `recall@1 q,q` and `recall@1 q,g` stand beside them.
        """
        return self.rewards(self.subnet(arch), arch.img_size)

    def rewards(self, model: Embedder, size_px: int) -> dict[str, float]:
        """Return the rewards of a network that stands by itself, as `full` has them."""
        validation, gallery_nD = self.evidence.validation, self.evidence.gallery_nD
        query_nD = validation.vectors(model, size_px)
        own = validation.metrics(query_nD, query_nD, "q,q")
        across = validation.metrics(query_nD, gallery_nD, "q,g")
        close = closeness(query_nD, gallery_nD, np.arange(len(query_nD)))
        r1, r2 = own["val/q,q/map"], across["val/q,g/map"]
        recalls = {"recall@1 q,q": own["val/q,q/recall@1"], "recall@1 q,g": across["val/q,g/recall@1"]}
        return {"R1": r1, "R2": r2, "R3": r1 * r2, "R5": close["cosine"], **close, **recalls}

    def quick(self, arch: Architecture) -> dict[str, float]:
        """Return cosine and overlap@10 with the teacher on a few val images, which are the batch-norm batches too.

        One pass over 256 images instead of two over all: a first look, without labels.
        """
        chosen = self.evidence.quick
        pixels = torch.from_numpy(self.evidence.validation.pixels(arch.img_size)[chosen])
        model = to_device(self.supernet.subnet(arch), "cpu").train()  # by the statistics of the batch itself
        with torch.no_grad():
            vectors_MD = torch.cat([model(batch) for batch in torch.split(pixels, QUICK_BATCH)]).numpy()
        return closeness(vectors_MD, self.evidence.gallery_nD, chosen)

    def subnet(self, arch: Architecture) -> Embedder:
        """Return `arch` as a network of its own, recalibrated and in eval mode: what is judged and exported."""
        alone = to_device(self.supernet.subnet(arch), "cpu")
        recalibrate(alone, torch.split(torch.from_numpy(self.evidence.train[arch.img_size]), CALIBRATION_BATCH))
        return alone


def gather(manifest: Manifest, rows: str, sizes: tuple[int, ...], teacher: Encoder) -> Evidence:
    """Read the images at every size and let the teacher embed the val images: once for all architectures.

    `rows` filters like the setting of that name. Raises ManifestError when no val image has a relevant one.
    """
    validation = Validation(manifest, rows)
    if not len(validation.rows):
        raise ManifestError(f"{manifest.source}: no val image to judge on; check the split column and --rows")
    gallery_nD = validation.encoded(teacher)
    if not validation.metrics(gallery_nD, gallery_nD, "g,g"):
        raise ManifestError(f"{manifest.source}: no val image has a relevant one; a search needs two images of a class")
    rng = np.random.Generator(np.random.Philox(key=[0, 0]))
    train = rng.permutation(manifest.rows("train", rows))[:CALIBRATION_IMAGES]
    for size in sizes:
        validation.pixels(size)
    return Evidence(
        train={size: read_pixels(manifest, train, size) for size in sizes},
        validation=validation,
        gallery_nD=gallery_nD,
        quick=rng.permutation(len(validation.rows))[:QUICK_IMAGES],
    )


def closeness(query_MD: np.ndarray, gallery_nD: np.ndarray, chosen_M: np.ndarray) -> dict[str, float]:
    """Return the mean cosine of query and gallery vectors of the same images, and the overlap of their lists.

    Query m is image `chosen_M[m]` of the gallery, which is hidden from its own lists.
    """
    lists = [_nearest(vectors_MD @ gallery_nD.T, chosen_M) for vectors_MD in (query_MD, gallery_nD[chosen_M])]
    return {
        "cosine": float(cosines(query_MD, gallery_nD[chosen_M]).mean()),
        f"overlap@{OVERLAP_K}": float(overlap(*lists).mean()),
    }


def _nearest(score_Mn: np.ndarray, own_M: np.ndarray) -> np.ndarray:
    """Return the gallery rows of the K highest scores (M, K), in no order, never a query's own."""
    score_Mn[np.arange(len(own_M)), own_M] = -np.inf
    k = min(OVERLAP_K, score_Mn.shape[1] - 1)
    nearest: np.ndarray = np.argpartition(-score_Mn, k - 1, axis=1)[:, :k]
    return nearest
