"""The command of one student that is adapted to a style that it never saw; writes result.json."""

from __future__ import annotations

import os
from pathlib import Path

import click
import torch

from hetvs.config import LinearConfig
from hetvs.encoders import open_encoder
from hetvs.files import new_folder, write_json
from hetvs.linear.network import Linearised
from hetvs.linear.problem import outputs
from hetvs.linear.targets import cloud_targets
from hetvs.manifest import read_manifest
from hetvs.models.storage import load_run
from hetvs.training.tangent_data import choose, cloud_vectors, prefixes, read_pixels
from studies.lqf.arms import Fit, angle_loss
from studies.lqf.compat import VAL, adapted, bits_of, kinds


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
    vals = []
    for which in ("domain=", "domain!="):
        rows = manifest.rows("val", f"core=1,{which}{domain}")[:VAL]
        seen = prefixes(net, read_pixels(manifest, rows, card.preprocess, "read val"), 64)
        vals.append((seen, cloud_vectors(encoder, manifest, rows, "embed")))
    arms = adapted(Fit(net, prefix_n, target, angle_loss), vals, seed)
    found: dict[str, dict[str, object]] = {name: {"trial": trial} for name, (_, trial) in arms.items()}
    for kind, asked in kinds(manifest, encoder, domain).items():
        pixels = read_pixels(manifest, asked.judged.rows, card.preprocess, f"read {kind}")
        for name, bits in bits_of(arms, asked, manifest, prefixes(net, pixels, 64)).items():
            found[name][kind] = bits
    with new_folder(output, overwrite=True) as folder:
        write_json(folder / "result.json", {"macs": card.macs, "images": len(train.ids), "arms": found})


if __name__ == "__main__":
    main()
