"""Ranges of a graph's activations on real images, for a quantiser. No torch here."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from export.candidates import Calibration
from export.golden import read_pixels, spread
from export.graph import INPUT_NAME
from hetvs.arrays import array_digest
from hetvs.errors import ManifestError
from hetvs.files import digest_json
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess

FEWEST_IMAGES = 8
BLOCK = 16  # images whose activations are held at once
PERCENTILE = 99.99
INTEGER_OPS = (  # those for which ONNX Runtime has integer kernels on every CPU
    "Conv", "Relu", "Clip", "Add", "Mul", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Gemm", "MatMul",
)  # fmt: skip


def calibration_pixels(manifest: Manifest, preprocess: Preprocess, count: int) -> tuple[np.ndarray, str]:
    """Return up to `count` images of the train split, (B, S, S, 3) uint8, and the digest of their ids and pixels.

    The same draw whatever the row order. Raises ManifestError when there are fewer than 8.
    """
    rows = manifest.rows("train")
    if len(rows) < FEWEST_IMAGES:
        raise ManifestError(
            f"{manifest.source}: {len(rows)} train images, int8 is calibrated on at least {FEWEST_IMAGES}; add some"
        )
    rows = rows[spread([str(image_id) for image_id in manifest.ids[rows]])[:count]]
    pixels_BHWC = read_pixels(manifest, rows, preprocess)
    return pixels_BHWC, digest_json([manifest.ids[rows].tolist(), array_digest(pixels_BHWC)])


def activation_ranges(graph: Path, pixels_BHWC: np.ndarray, method: Calibration) -> Any:
    """Return the range of each activation of a float graph, as ONNX Runtime's quantiser takes them."""
    from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
    }
    options = {"symmetric": False} | ({"percentile": PERCENTILE} if method == "percentile" else {})
    with quiet():
        calibrator = create_calibrator(
            graph,
            INTEGER_OPS,
            str(graph.with_name(f"calibrate_{method}.onnx")),
            calibrate_method=methods[method],
            extra_options=options,
        )
        for start in range(0, len(pixels_BHWC), BLOCK):
            calibrator.collect_data(PixelReader(pixels_BHWC[start : start + BLOCK]))
        return calibrator.compute_data()


class PixelReader:
    """Images one by one, as ONNX Runtime's calibrators read them (final)."""

    def __init__(self, pixels_BHWC: np.ndarray) -> None:
        self._images = iter(pixels_BHWC)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the input of the next run, or None at the end."""
        image = next(self._images, None)
        return None if image is None else {INPUT_NAME: image[None]}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what the quantiser prints and logs on its way; an exception still passes."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)
