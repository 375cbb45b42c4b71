"""Run -> edge bundle: graph, parity on real images, golden vectors. They appear together or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from export.golden import GOLDEN_FILES, GOLDEN_IMAGES, cut_pixels, golden_cuts, parity_rows, png_bytes, read_pixels
from export.parity import require_parity
from export.to_onnx import require_linear_end, to_onnx
from hetvs.artifacts import EdgeBundle
from hetvs.config import ExportConfig
from hetvs.encoders import open_session, run_session
from hetvs.files import digest_file, new_folder, write_bytes
from hetvs.manifest import Manifest
from hetvs.models.fold import cut_to_prefix
from hetvs.models.storage import load_run


def export_bundle(
    run_folder: Path, manifest: Manifest, output: Path, config: ExportConfig, *, overwrite: bool = False
) -> EdgeBundle:
    """Write the bundle of a finished run to `output` and return it.

    Parity with PyTorch is measured through the written file, one image at a time, on up to 64 real
    images of `manifest` and the cuts that stay with the bundle as files; ParityError leaves nothing
    behind. Raises ConfigError when the embedder does not end in a linear layer, and for a prefix (`dim`) of a
    space that has none.
    """
    embedder, card = load_run(run_folder)
    rows = parity_rows(manifest)
    size = card.preprocess.size_px
    cuts = golden_cuts(manifest, rows[:GOLDEN_IMAGES], size)
    files = tuple(f"golden_{number}.png" for number in range(len(cuts)))
    ids = files + tuple(str(image_id) for image_id in manifest.ids[rows])
    pixels_BHWC = np.concatenate(
        [np.stack([cut_pixels(cut, size) for cut in cuts]), read_pixels(manifest, rows, card.preprocess)]
    )
    golden = slice(GOLDEN_FILES + GOLDEN_IMAGES)
    pixels = torch.from_numpy(pixels_BHWC)
    require_linear_end(embedder, pixels)
    if config.dim:
        card = cut_to_prefix(embedder, card, config.dim)
    with torch.inference_mode():
        expected_BD = embedder(pixels.permute(0, 3, 1, 2)).float().numpy()
    with new_folder(output, overwrite=overwrite) as temporary:
        path = temporary / "model.onnx"
        write_bytes(path, to_onnx(embedder, card, config.opset).SerializeToString())
        for name, cut in zip(files, cuts, strict=True):
            write_bytes(temporary / name, png_bytes(cut))
        actual_BD = run_session(open_session(path, threads=1), pixels_BHWC)
        worst = require_parity(expected_BD, actual_BD, ids, config.tolerance, str(output / "model.onnx"))
        EdgeBundle(
            folder=output,
            card=card,
            golden_pixels=pixels_BHWC[golden],
            golden_vectors=expected_BD[golden],
            golden_ids=ids[golden],
            golden_files=files,
            tolerance=config.tolerance,
            parity_max_abs=worst,
            opset=config.opset,
            onnx_digest=digest_file(path),
        ).write_side_files(temporary)
    return EdgeBundle.load(output)
