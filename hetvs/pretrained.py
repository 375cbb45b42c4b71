"""`torchvision/NAME` and `timm/NAME` as encoders: pooled features of weights that are here already, or of random ones.

Nothing is downloaded. Random weights take the explicit word: `torchvision/NAME:random`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.encoders import Encoder
from hetvs.errors import ConfigError
from hetvs.models.backbones import build_backbone
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.storage import weights_digest
from hetvs.preprocess import Preprocess

RANDOM = ":random"
SIZE_PX = 224
SEED = 0  # of random weights: the same space in every process


class UnitTrunk(nn.Module):
    """A trunk with its normalisation before it and the L2 norm behind it."""

    def __init__(self, trunk: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.trunk = trunk
        for name, values in (("mean", preprocess.mean), ("std", preprocess.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (B, D) of pixels (B, 3, S, S) uint8."""
        scaled = (pixels.float() - self.get_buffer("mean")) / self.get_buffer("std")
        return nn.functional.normalize(self.trunk(scaled), dim=1)


class PretrainedEncoder(Encoder):
    """A library's model at 224 px, its classifier cut off; ConfigError where its weights are not on this machine."""

    def __init__(self, name: str, threads: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        short, at_random = name.removesuffix(RANDOM), name.endswith(RANDOM)
        weights = None if at_random else local_weights(short)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            backbone = build_backbone(short, {}, SIZE_PX)
        if weights is not None:
            _load(backbone.trunk, weights)
        self._model = UnitTrunk(backbone.trunk, backbone.preprocess).eval()
        digest = weights_digest(self._model)
        space = SpaceCard(teacher_digest=digest, preprocess_digest=backbone.preprocess.digest(), dim=backbone.features)
        self.card = ModelCard(
            name=name,
            role="teacher",
            backbone=short,
            space=space,
            preprocess=backbone.preprocess,
            weights_digest=digest,
            macs=macs_of(self._model, SIZE_PX),
            parameters=parameters_of(self._model),
        )

    def encode(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the unit vectors of a batch."""
        with torch.inference_mode():
            vectors: np.ndarray = self._model(torch.from_numpy(pixels_BHWC.copy()).permute(0, 3, 1, 2)).numpy()
        return vectors


def local_weights(name: str) -> Path:
    """Return the file of a torchvision model's default weights in torch's cache; ConfigError says where it must lie."""
    if not name.startswith("torchvision/"):
        raise ConfigError(f"{name}: no weights of timm are read; write {name}{RANDOM}, or export it and give the .onnx")
    from torchvision.models import get_model_weights

    try:
        found = next(iter(get_model_weights(name.removeprefix("torchvision/"))))
    except (ValueError, StopIteration):
        raise ConfigError(f"{name}: torchvision has no weights of it; see `hetvs models`, or add {RANDOM}") from None
    path = Path(torch.hub.get_dir(), "checkpoints", found.url.rpartition("/")[2])
    if not path.is_file():
        raise ConfigError(f"{path}: weights of {name} are not there; put them there, or ask for {name}{RANDOM}")
    return path


def _load(trunk: nn.Module, path: Path) -> None:
    """Load a file of weights, whose classifier is left behind; ConfigError when the trunk lacks any."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    missing = trunk.load_state_dict(state, strict=False).missing_keys
    if missing:
        raise ConfigError(f"{path}: has no weights of {missing[0]}; export the model and give the .onnx")
