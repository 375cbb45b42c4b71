"""An edge trunk for inputs of 32-96 px, made for CPUs and int8: ReLU, no squeeze-excitation.

ImageNet stems reduce a small image by four before the first block and throw it away. This one
reduces by two and again in each of its last two stages, so that a 48-px input still has 6 x 6
places at the end. Its blocks are depthwise-separable convolutions (Howard et al., arXiv
1704.04861) with a shortcut where shapes agree: few, wide layers, because at 0.05 ms an image the
runtime's cost per layer counts as much as its arithmetic.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

CHANNELS = (16, 32, 64, 128)  # of the stem and the three stages, at width 1


class Shortcut(nn.Module):
    """x + body(x), for a body that keeps the shape."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Return x + body(x)."""
        y: Tensor = x + self.body(x)
        return y


def conv(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    relu: bool = True,
    affine: bool = True,
) -> nn.Sequential:
    """Convolution, batch norm and, unless it is left out, ReLU."""
    parts = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, affine=affine),
    ]
    return nn.Sequential(*parts, *([nn.ReLU(inplace=True)] if relu else []))


def separable(inputs: int, outputs: int, stride: int) -> nn.Module:
    """3x3 depthwise, then 1x1 pointwise; a shortcut where stride and channels allow it."""
    body = nn.Sequential(conv(inputs, inputs, 3, stride, groups=inputs), conv(inputs, outputs, 1))
    return Shortcut(body) if stride == 1 and inputs == outputs else body


def edgenet(width: float = 1.0, depth: int = 2) -> tuple[nn.Module, int]:
    """Return the trunk, (B, 3, S, S) -> (B, D_h), and D_h = 128 * width.

    `width` scales every channel count (rounded to a multiple of 8), `depth` is the number of
    blocks in the stages at S/4 and S/8; the stage at S/2, where a block costs most, has one.
    """
    stem, *stages = (max(8, round(channels * width / 8) * 8) for channels in CHANNELS)
    blocks: OrderedDict[str, nn.Module] = OrderedDict(stem=conv(3, stem, 3, 2))
    inputs = stem
    for number, outputs in enumerate(stages, start=1):
        for block in range(1 if number == 1 else depth):
            stride = 2 if block == 0 and number > 1 else 1
            blocks[f"stage{number}_{block}"] = separable(inputs, outputs, stride)
            inputs = outputs
    blocks["pool"] = nn.AdaptiveAvgPool2d(1)
    blocks["flat"] = nn.Flatten()
    return nn.Sequential(blocks), inputs
