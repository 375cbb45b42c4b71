"""An edge trunk for inputs of 32-96 px, made for CPUs and int8: ReLU, no squeeze-excitation.

ImageNet stems reduce a small image by four before the first block and throw it away. This one
reduces by two, spends its first blocks on plain convolutions (few channels, where a depthwise
convolution saves nothing and costs a memory pass), and then uses inverted residuals
(Sandler et al., arXiv 1801.04381).
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn


class Residual(nn.Module):
    """x + body(x), for a body that keeps the shape."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Return x + body(x)."""
        y: Tensor = x + self.body(x)
        return y


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution, batch norm, and a ReLU unless the block is linear at its end."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def inverted(inputs: int, outputs: int, stride: int, expand: int) -> nn.Module:
    """Pointwise expansion, 3x3 depthwise, linear pointwise projection; residual where shapes agree."""
    hidden = inputs * expand
    body = nn.Sequential(
        conv(inputs, hidden, 1),
        conv(hidden, hidden, 3, stride, groups=hidden),
        conv(hidden, outputs, 1, relu=False),
    )
    return Residual(body) if stride == 1 and inputs == outputs else body


def edgenet(width: float = 1.0, depth: int = 2) -> tuple[nn.Module, int]:
    """Return the trunk, (B, 3, S, S) -> (B, D_h), and D_h.

    `width` scales every channel count (rounded to a multiple of 8), `depth` is the number of
    blocks in each of the three stages at S/4, S/8 and S/16.
    """
    stem, *stages, last = (max(8, round(channels * width / 8) * 8) for channels in (16, 24, 48, 96, 320))
    blocks: OrderedDict[str, nn.Module] = OrderedDict(stem=conv(3, stem, 3, 2))
    inputs = stem
    for number, outputs in enumerate(stages, start=1):
        for block in range(depth):
            blocks[f"stage{number}_{block}"] = inverted(inputs, outputs, 2 if block == 0 else 1, expand=3)
            inputs = outputs
    blocks["last"] = conv(inputs, last, 1)
    blocks["pool"] = nn.AdaptiveAvgPool2d(1)
    blocks["flat"] = nn.Flatten()
    return nn.Sequential(blocks), last
