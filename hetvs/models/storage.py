"""A run on disk: model.safetensors, card.json, and the prototypes of a model trained on labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hetvs.artifacts import CARD_NAME, ModelCard
from hetvs.errors import ArtifactError
from hetvs.files import digest_bytes, write_bytes
from hetvs.models.backbones import build_backbone
from hetvs.models.embedder import Embedder

MODEL_NAME = "model.safetensors"
PROTOTYPES_NAME = "prototypes.safetensors"


@dataclass(frozen=True)
class Prototypes:
    """Class centres of a space: unit rows (C, D), the label of each row, the scale s they were trained with."""

    rows_CD: Tensor
    labels: tuple[str, ...]
    scale: float


def weights_digest(model: nn.Module) -> str:
    """Return the sha256 over names, types, shapes and bytes of the state dict, in name order."""
    parts: list[bytes] = []
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous().numpy()
        parts += [f"{name} {array.dtype} {array.shape}".encode(), array.tobytes()]
    return digest_bytes(*parts)


def save_run(folder: Path, embedder: Embedder, card: ModelCard, prototypes: Prototypes | None = None) -> None:
    """Write weights and prototypes, and the card last: a folder with a card is whole."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in embedder.state_dict().items()}
    write_bytes(folder / MODEL_NAME, save(state))
    if prototypes is not None:
        facts = {"labels": json.dumps(prototypes.labels), "scale": str(prototypes.scale)}
        write_bytes(folder / PROTOTYPES_NAME, save({"rows": prototypes.rows_CD.detach().cpu().contiguous()}, facts))
    card.save(folder)


def load_run(folder: Path) -> tuple[Embedder, ModelCard]:
    """Return the embedder of a finished run, in eval mode, and its card.

    Raises ArtifactError when the run is unfinished, the weights are corrupt, or they are not the
    ones the card was written for.
    """
    if not (folder / CARD_NAME).is_file():
        raise ArtifactError(f"{folder}: holds no finished run (no {CARD_NAME}); train it, or add --resume to finish it")
    card = ModelCard.load(folder)
    try:
        embedder = build_embedder(card)
    except TypeError as error:  # backbone_options of another version
        raise ArtifactError(f"{folder / CARD_NAME}: {error}; train the run again") from error
    path = folder / MODEL_NAME
    try:
        embedder.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not found; train the run again") from None
    except (SafetensorError, RuntimeError) as error:
        raise ArtifactError(f"{path}: corrupt or not of this backbone: {' '.join(str(error).split())[:160]}") from error
    if weights_digest(embedder) != card.weights_digest:
        raise ArtifactError(f"{path}: weights differ from the digest in {CARD_NAME}; train the run again")
    return embedder.eval(), card


def build_embedder(card: ModelCard) -> Embedder:
    """Build the untrained embedder that a card describes."""
    backbone = build_backbone(card.backbone, card.backbone_options, card.preprocess.size_px)
    return Embedder(backbone.trunk, backbone.features, card.dim, card.preprocess)


def load_prototypes(folder: Path) -> Prototypes | None:
    """Return the prototypes of a run, None when it was trained without labels."""
    path = folder / PROTOTYPES_NAME
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            facts = stored.metadata()
            return Prototypes(stored.get_tensor("rows"), tuple(json.loads(facts["labels"])), float(facts["scale"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: corrupt: {error}; train the run again") from error


def load_checkpoint(path: Path) -> dict[str, object]:
    """Read a training checkpoint (tensors and plain values only, no pickled code)."""
    try:
        state: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several kinds for a broken zip
        raise ArtifactError(f"{path}: checkpoint is not readable; start again with --overwrite") from error
    return state
