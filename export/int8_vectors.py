"""Vectors of a model as its int8 file would give them: how a search scores precision, without a bundle."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx

from export.calibrate import activation_ranges
from export.candidates import Candidate
from export.quantise import quantise
from export.to_onnx import to_onnx
from hetvs.artifacts import ModelCard
from hetvs.config import ExportConfig
from hetvs.encoders import open_session, run_session
from hetvs.models.embedder import Embedder

CANDIDATE = Candidate("u8", True, "minmax")  # one way for all, so that architectures are compared and not ways


def int8_vectors(
    embedder: Embedder, card: ModelCard, calibration_BHWC: np.ndarray, pixels_BHWC: np.ndarray
) -> np.ndarray:
    """Return the unit vectors (B, D) of `pixels_BHWC` by the int8 graph of an eval-mode `embedder`.

    Its ranges are those of the calibration images. Takes some seconds: the graph is traced and quantised.
    """
    with tempfile.TemporaryDirectory() as folder:
        graph, rounded = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(to_onnx(embedder, card, ExportConfig().opset), graph)
        ranges = activation_ranges(graph, calibration_BHWC, CANDIDATE.calibration)
        onnx.save(quantise(graph, ranges, CANDIDATE), rounded)
        return run_session(open_session(rounded, threads=1), pixels_BHWC)
