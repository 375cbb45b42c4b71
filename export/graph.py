"""What an exported graph says of itself: names of input and output, metadata `hetvs.*`. No torch here."""

from __future__ import annotations

from pathlib import Path

import onnx

from hetvs.artifacts import ModelCard
from hetvs.card_fields import SCHEMA_VERSION
from hetvs.errors import ArtifactError

INPUT_NAME = "pixels"
OUTPUT_NAME = "embedding"


def graph_metadata(card: ModelCard) -> dict[str, str]:
    """Return the metadata of the graph of `card`: what ties a lone .onnx file to its space.

    card.json says the same for readers that cannot see ONNX metadata (JavaScript).
    """
    return {
        "hetvs.schema_version": str(SCHEMA_VERSION),
        "hetvs.name": card.name,
        "hetvs.space_id": card.space.space_id,
        "hetvs.dim": str(card.dim),
        "hetvs.size_px": str(card.preprocess.size_px),
        "hetvs.resize": card.preprocess.resize,
        "hetvs.preprocess_digest": card.preprocess.digest(),
        "hetvs.weights_digest": card.weights_digest,
    }


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """Return the `hetvs.*` metadata of a graph."""
    return {entry.key: entry.value for entry in model.metadata_props if entry.key.startswith("hetvs.")}


def opset_of(model: onnx.ModelProto) -> int | None:
    """Return the version of ONNX's own operators that a graph asks for; None when it names none."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)


def load_graph(path: Path) -> onnx.ModelProto:
    """Read and check an ONNX file; ArtifactError when it is truncated, corrupt or not self-contained."""
    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # protobuf and onnx raise bare classes of their own for any bad file
        message = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ArtifactError(f"{path}: not a sound ONNX file: {message[:160]}; run `hetvs export` again") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ArtifactError(f"{path}: its weights lie in a second file; run `hetvs export` again")
    return model
