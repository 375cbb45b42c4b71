"""The graph of an architecture before it has learnt anything: what it costs to run does not depend on its values."""

from __future__ import annotations

from pathlib import Path

from export.to_onnx import to_onnx
from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.config import ExportConfig
from hetvs.files import write_bytes
from hetvs.models.backbones import SEARCHED
from hetvs.models.storage import build_embedder
from hetvs.nas.operators import macs_of, parameters_of
from hetvs.nas.space import Architecture, encode
from hetvs.preprocess import Preprocess


def write_untrained(arch: Architecture, dim: int, path: Path) -> None:
    """Write the ONNX graph of an embedder of `arch` with random weights, as `hetvs export` would draw it."""
    preprocess = Preprocess(size_px=arch.img_size)
    card = ModelCard(
        name="untrained",
        role="student",
        backbone=SEARCHED,
        backbone_options={"genes": encode(arch)},
        space=SpaceCard(teacher_digest="", preprocess_digest=preprocess.digest(), dim=dim),
        preprocess=preprocess,
        weights_digest="",
        macs=macs_of(arch, dim),
        parameters=parameters_of(arch, dim),
    )
    write_bytes(path, to_onnx(build_embedder(card).eval(), card, ExportConfig().opset).SerializeToString())
