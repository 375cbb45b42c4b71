"""A solution on disk: dw by layer, and the card that says of which weights; deltas of one start add and subtract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import write_bytes
from hetvs.linear.network import Linearised

DELTA_NAME = "delta.safetensors"


@dataclass(frozen=True, kw_only=True)
class Delta:
    """dw of one solution: `start` is the weights digest of w0, `layers` and `fold` name its coordinates.

    `images` is how many images it was fitted to, over all sites when deltas were added.
    """

    start: str
    layers: tuple[str, ...]
    fold: bool
    images: int
    vector_P: Tensor

    def save(self, folder: Path) -> None:
        """Write delta.safetensors into `folder`, its card inside."""
        card = {"start": self.start, "layers": list(self.layers), "fold": self.fold, "images": self.images}
        write_bytes(
            folder / DELTA_NAME, save({"delta": self.vector_P.double().contiguous()}, {"card": json.dumps(card)})
        )

    @classmethod
    def load(cls, folder: Path) -> Delta:
        """Read the delta of a run; ArtifactError when there is none, or it is corrupt."""
        path = folder / DELTA_NAME
        if not path.is_file():
            raise ArtifactError(f"{path}: not found; give a run of `hetvs finetune-linear`")
        try:
            with safe_open(path, framework="pt") as stored:
                card = json.loads(stored.metadata()["card"])
                card["layers"] = tuple(card["layers"])
                return cls(vector_P=stored.get_tensor("delta"), **card)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: corrupt: {error}; solve again") from error


def combine(deltas: Sequence[Delta], signs: Sequence[float]) -> Delta:
    """Return sum sign * dw. f is affine in dw, so outputs add as the deltas do.

    ConfigError unless all are of one start, its same layers, folded alike.
    """
    first = deltas[0]
    for other in deltas[1:]:
        if (other.start, other.layers, other.fold) != (first.start, first.layers, first.fold):
            raise ConfigError(
                f"deltas of {first.start[:12]} {'+'.join(first.layers)} and of {other.start[:12]} "
                f"{'+'.join(other.layers)} do not add; solve both from one start with the same --layers and --fold"
            )
    vector_P = torch.stack([sign * delta.vector_P for sign, delta in zip(signs, deltas, strict=True)]).sum(0)
    return Delta(
        start=first.start,
        layers=first.layers,
        fold=first.fold,
        images=sum(delta.images if sign > 0 else -delta.images for sign, delta in zip(signs, deltas, strict=True)),
        vector_P=vector_P,
    )


def delta_of(net: Linearised, vector_P: Tensor, start: str, images: int) -> Delta:
    """Return the delta of a solution on `net`, whose w0 has the weights digest `start`."""
    return Delta(start=start, layers=tuple(net.layers()), fold=net.fold, images=images, vector_P=vector_P)
