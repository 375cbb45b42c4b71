"""PyTorch embedder -> ONNX graph whose input is what a camera gives: uint8 RGB, NHWC, one image."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import Tensor, nn

from export.graph import INPUT_NAME, OUTPUT_NAME, graph_metadata, opset_of
from hetvs.artifacts import ModelCard
from hetvs.errors import ConfigError
from hetvs.models.embedder import Embedder


class ServedModel(nn.Module):
    """The graph that ships (final): (1, S, S, 3) uint8 RGB -> (1, D) float32 unit vector."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder

    def forward(self, pixels_BHWC: Tensor) -> Tensor:
        """Return unit vectors (B, D)."""
        # Without contiguous() the exporter turns every adaptive pool into index arithmetic: 15 % slower.
        vector_BD: Tensor = self.embedder(pixels_BHWC.permute(0, 3, 1, 2).contiguous())
        return vector_BD


def to_onnx(embedder: Embedder, card: ModelCard, opset: int) -> onnx.ModelProto:
    """Return the graph of an eval-mode `embedder` with the facts of `card` as its metadata.

    Takes 5-30 s. Raises ConfigError when torch writes another opset than the one asked for.
    """
    size = card.preprocess.size_px
    pixels = torch.zeros((1, size, size, 3), dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            ServedModel(embedder).eval(),
            (pixels,),
            dynamo=True,
            external_data=False,  # a second .onnx.data file breaks phones and JavaScript
            opset_version=opset,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            verbose=False,
        )
    if program is None:  # torch's signature allows it; the dynamo exporter always returns a program
        raise ConfigError(f"torch {torch.__version__} gave no ONNX program; use torch >= 2.11")
    model = program.model_proto
    _strip(model)
    _require_opset(model, opset)
    onnx.helper.set_model_props(model, graph_metadata(card))
    onnx.checker.check_model(model, full_check=True)
    return model


def require_linear_end(embedder: Embedder, pixels_BHWC: Tensor) -> None:
    """Raise ConfigError unless the vectors are the normalised output of the last Linear, in both signs.

    A ReLU (or any non-linear op) between projection and norm keeps vectors in one orthant: the
    signed space of the teacher is then out of reach, and no training can tell.
    """
    projection: nn.Module = embedder.projection
    if not isinstance(projection, nn.Linear):
        raise ConfigError(f"export: the last layer is {type(projection).__name__}, not Linear; end the embedder in one")
    seen: list[Tensor] = []
    hook = projection.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        with torch.inference_mode():
            vector_BD = embedder(pixels_BHWC.permute(0, 3, 1, 2).contiguous())
    finally:
        hook.remove()
    unit_BD = nn.functional.normalize(seen[-1].float(), dim=1)
    if not torch.allclose(unit_BD, vector_BD.float(), atol=1e-4):
        raise ConfigError("export: an operation lies between the last Linear and the norm; remove it and train again")
    if not (bool((vector_BD > 0).any()) and bool((vector_BD < 0).any())):
        raise ConfigError("export: every component has one sign on real images; the run did not learn a signed space")


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter leaves behind: left-over shapes break quantisers, stack traces hold local paths."""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


def _require_opset(model: onnx.ModelProto, asked: int) -> None:
    """Raise ConfigError when the graph has another opset than `asked`: torch raises low ones silently."""
    written = opset_of(model)
    if written != asked:
        raise ConfigError(f"export: asked for opset {asked}, torch {torch.__version__} wrote {written}; set --opset")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Swallow what torch's exporter prints, warns and logs; an exception still passes."""
    level = logging.root.manager.disable
    sink = io.StringIO()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
