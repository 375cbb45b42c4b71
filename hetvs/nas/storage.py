"""A supernet on disk: model.safetensors and card.json, like any run, but of many models at once."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from hetvs.artifacts import CARD_NAME, ModelCard
from hetvs.errors import ArtifactError
from hetvs.models.backbones import SUPERNET
from hetvs.models.storage import MODEL_NAME, weights_digest
from hetvs.nas.space import space_of
from hetvs.nas.supernet import Supernet


def load_supernet(folder: Path) -> tuple[Supernet, ModelCard]:
    """Return the supernet of a finished run of `hetvs train-supernet`, in eval mode, and its card.

    ArtifactError when the run is unfinished, of one model, or not the one its card was written for.
    """
    if not (folder / CARD_NAME).is_file():
        raise ArtifactError(f"{folder}: holds no finished run (no {CARD_NAME}); train it, or add --resume to finish it")
    card = ModelCard.load(folder)
    if card.backbone != SUPERNET:
        raise ArtifactError(
            f"{folder}: is one model ({card.backbone}), no supernet; give a run of `hetvs train-supernet`"
        )
    options = card.backbone_options
    supernet = Supernet(space_of(options["space"], options["sizes"]), card.dim, affine=options["affine"])
    path = folder / MODEL_NAME
    try:
        supernet.embedder.load_state_dict(load_file(path))
    except (FileNotFoundError, SafetensorError, RuntimeError) as error:
        raise ArtifactError(
            f"{path}: missing, corrupt or of another space: {' '.join(str(error).split())[:120]}"
        ) from None
    if weights_digest(supernet.embedder) != card.weights_digest:
        raise ArtifactError(f"{path}: weights differ from the digest in {CARD_NAME}; train the run again")
    return supernet.eval(), card
