"""One job of the study: a student is adapted to a style that it never saw, and stays a student of the same cloud."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.artifacts import EmbeddingSet
from hetvs.config import LinearConfig
from hetvs.encoders import Encoder, batches, embed, open_encoder
from hetvs.files import new_folder, write_json
from hetvs.linear.network import Linearised
from hetvs.linear.problem import outputs
from hetvs.linear.targets import cloud_targets
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.storage import load_run
from hetvs.progress import track
from hetvs.retrieval.matrix import Judged, cell
from hetvs.retrieval.protocols import protocol_of
from hetvs.training.tangent_data import choose, cloud_vectors, prefixes, read_pixels
from studies.lqf_arms import RATES, Fit, Predict, angle_loss, best_of, convex, descent

START, LQF, ADAMW = "not adapted", "linear-quadratic", "AdamW"
RIDGES = (1e-1, 1e1, 1e3)  # shares of the mean diagonal: vectors ask for more of it than labels
VAL = 300  # images of the style that choose among the trials, at most


@dataclass(frozen=True)
class Asked:
    """Queries of one kind: who judges them, and which of the answerable ones count."""

    judged: Judged
    gallery_nD: np.ndarray
    own: bool
    domain: str

    def bits(self, manifest: Manifest, query_nD: np.ndarray) -> tuple[list[str], list[float]]:
        """Return ids and recall@1 of the queries of the domain (`own`), or of every other one."""
        found = cell(self.judged, ("q", query_nD), ("g", self.gallery_nD), (1,))
        domains = manifest.domains[self.judged.rows[found.queries]]
        chosen = (domains == self.domain) == self.own
        ids = self.judged.ids[found.queries][chosen].tolist()
        return ids, found.per_query["recall@1"][chosen].tolist()


def adapted(fit: Fit, val: tuple[Tensor, Tensor], seed: int) -> dict[str, tuple[Predict, int]]:
    """Return the predictor of every arm, with the trial that the val images of the style chose by cosine."""

    def cosine(predict: Predict) -> float:
        return F.cosine_similarity(predict(val[0]), val[1].double(), dim=1).mean().item()

    return {
        START: (lambda prefix: outputs(fit.net, prefix, 64), 0),
        LQF: best_of((convex(fit, share, kfac=True, steps=100)[0] for share in RIDGES), cosine),
        ADAMW: best_of((descent(fit, r, optimiser="adamw", linear=False, seed=seed) for r in RATES["adamw"]), cosine),
    }


def kinds(manifest: Manifest, cloud: Encoder, domain: str) -> dict[str, Asked]:
    """Return who is asked: the style's own queries under protocol C, all others under B, in the cloud's gallery."""
    found = {}
    for name, protocol, own in (("style", "C", True), ("elsewhere", "B", False)):
        judged = Judged.of(manifest, protocol_of(manifest, protocol, "test", "core=1"))
        found[name] = Asked(judged, _embedded(cloud, manifest, judged.rows).vectors_ND, own, domain)
    return found


def _embedded(cloud: Encoder, manifest: Manifest, rows: np.ndarray) -> EmbeddingSet:
    return embed(cloud, manifest, track(batches(rows, 64), "embed the gallery"))


def _unit(predict: Predict, prefixes_n: Sequence[Tensor]) -> np.ndarray:
    unit: np.ndarray = torch.cat([F.normalize(predict(part), dim=1) for part in prefixes_n]).float().numpy()
    return np.ascontiguousarray(unit)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--cloud", type=click.Path(path_type=Path), required=True, help="Run that never saw the style.")
@click.option("--start", type=click.Path(path_type=Path), required=True, help="Its student, which neither did.")
@click.option("--domain", required=True, help="The style.")
@click.option("--images", type=int, default=200, help="Train images of the style that adapt.")
@click.option("--layers", type=int, default=4, help="Last layers that adapt; 0 takes all.")
@click.option("--seed", type=int, required=True)
@click.option("--threads", type=int, default=1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    data: Path, cloud: Path, start: Path, domain: str, images: int, layers: int, seed: int, threads: int, output: Path
) -> None:
    """Adapt by every arm on one draw, judge on the style and elsewhere."""
    torch.set_num_threads(threads or os.cpu_count() or 1)
    manifest, encoder = read_manifest(data), open_encoder(cloud, threads=threads)
    embedder, card = load_run(start)
    config = LinearConfig(rows=f"core=1,domain={domain}", images=images, draw_seed=seed)
    train = choose(manifest, card.preprocess, config)
    net = Linearised(embedder, layers=layers)
    prefix_n = prefixes(net, train.pixels, 64)
    target = cloud_targets(cloud_vectors(encoder, manifest, train.rows, "embed"), outputs(net, prefix_n, 64))
    rows = manifest.rows("val", f"core=1,domain={domain}")[:VAL]
    val = prefixes(net, read_pixels(manifest, rows, card.preprocess, "read val"), 64)
    arms = adapted(Fit(net, prefix_n, target, angle_loss), (val, cloud_vectors(encoder, manifest, rows, "embed")), seed)
    found: dict[str, dict[str, object]] = {name: {"trial": trial} for name, (_, trial) in arms.items()}
    for kind, asked in kinds(manifest, encoder, domain).items():
        pixels = read_pixels(manifest, asked.judged.rows, card.preprocess, f"read {kind}")
        seen = torch.split(prefixes(net, pixels, 64), 256)
        for name, (predict, _) in arms.items():
            ids, bits = asked.bits(manifest, _unit(predict, seen))
            found[name][kind] = {"ids": ids, "right": bits}
    with new_folder(output, overwrite=True) as folder:
        write_json(folder / "result.json", {"macs": card.macs, "images": len(train.ids), "arms": found})


if __name__ == "__main__":
    main()
