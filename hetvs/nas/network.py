"""An architecture as a network: the trunk that trains alone, or lends its shape to a path through a supernet."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from hetvs.models.edgenet import Shortcut, conv
from hetvs.models.lite import LITE_MEAN, LITE_STD
from hetvs.nas.lite import LITE, lite_block, lite_stem
from hetvs.nas.operators import KERNELS, XCEPTION_DEPTH
from hetvs.nas.space import SPACES, Architecture, Block
from hetvs.preprocess import Preprocess


class Shuffled(nn.Module):
    """A block of ShuffleNet V2 (arXiv 1807.11164): even channels by `side`, odd ones by `main`, then side by side.

    Where the map shrinks (`side` is not None) both see every channel; else the even ones pass by.
    """

    def __init__(self, main: nn.Module, side: nn.Module | None) -> None:
        super().__init__()
        self.main, self.side = main, side

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', H', W')."""
        if self.side is not None:
            return torch.cat([self.side(x), self.main(x)], dim=1)
        return torch.cat([x[:, 0::2], self.main(x[:, 1::2])], dim=1)


def searched(arch: Architecture, *, affine: bool = True) -> tuple[nn.Module, int]:
    """Return the trunk of `arch`, (B, 3, S, S) -> (B, D_h), and D_h; S may be any size, not only `arch.img_size`.

    Modules that two architectures of a space share have the same name in both, so that weights can be
    taken from one to the other. Without `affine` batch norms do not scale (Single Path One-Shot); those of
    space `lite` always do, because they come with weights.
    """
    space = SPACES[arch.space]
    inputs = space.widened(space.stem, arch.width)
    is_lite = arch.space == LITE
    stem = lite_stem(inputs) if is_lite else conv(3, inputs, 3, 2, affine=affine)
    parts: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    for stage, blocks in enumerate(arch.stages):
        outputs = space.widened(space.channels[stage], arch.width)
        for number, block in enumerate(blocks):
            stride = space.strides[stage] if number == 0 else 1
            name = f"stage{stage + 1}_{number}"
            if is_lite:
                parts[name] = lite_block(KERNELS[block.op], block.expand, inputs, outputs, stride)
            else:
                build = _inverted if arch.space == "hetvs-s" else _shuffled
                parts[name] = build(block, inputs, outputs, stride, affine)
            inputs = outputs
    if space.last:
        features = space.widened(space.last, arch.width)
        parts["last"] = conv(inputs, features, 1, affine=affine)
        inputs = features
    parts["pool"] = nn.AdaptiveAvgPool2d(1)
    parts["flat"] = nn.Flatten()
    return nn.Sequential(parts), inputs


def preprocess_of(space: str, size_px: int) -> Preprocess:
    """Return what a network of a space expects of its pixels."""
    return Preprocess(size_px=size_px, mean=LITE_MEAN, std=LITE_STD) if space == LITE else Preprocess(size_px=size_px)


def _inverted(block: Block, inputs: int, outputs: int, stride: int, affine: bool) -> nn.Module:
    """Widen, depthwise, narrow without ReLU; a shortcut where shapes agree (MobileNet V2, arXiv 1801.04381)."""
    inner = inputs * block.expand
    parts: OrderedDict[str, nn.Module] = OrderedDict(expand=conv(inputs, inner, 1, affine=affine))
    if block.op in KERNELS:
        parts["depthwise"] = conv(inner, inner, KERNELS[block.op], stride, groups=inner, affine=affine)
    else:
        strides = [stride] + [1] * (XCEPTION_DEPTH - 1)
        parts["xception"] = nn.Sequential(*(conv(inner, inner, 3, s, groups=inner, affine=affine) for s in strides))
    parts["project"] = conv(inner, outputs, 1, relu=False, affine=affine)
    body = nn.Sequential(parts)
    return Shortcut(body) if stride == 1 and inputs == outputs else body


def _shuffled(block: Block, inputs: int, outputs: int, stride: int, affine: bool) -> nn.Module:
    """A choice block of Single Path One-Shot (arXiv 1904.00420), under the name of its operator: none is shared."""
    seen = inputs if stride == 2 else inputs // 2
    inner, made = outputs // 2, outputs - seen
    kernel = KERNELS.get(block.op, 3)

    def depthwise(channels: int, kernel: int, stride: int) -> nn.Module:
        return conv(channels, channels, kernel, stride, groups=channels, relu=False, affine=affine)

    def pointwise(channels: int, outputs: int) -> nn.Module:
        return conv(channels, outputs, 1, affine=affine)

    if block.op in KERNELS:
        main = nn.Sequential(pointwise(seen, inner), depthwise(inner, kernel, stride), pointwise(inner, made))
    else:
        main = nn.Sequential(
            *(depthwise(seen, 3, stride), pointwise(seen, inner)),
            *(depthwise(inner, 3, 1), pointwise(inner, inner)),
            *(depthwise(inner, 3, 1), pointwise(inner, made)),
        )
    side = nn.Sequential(depthwise(seen, kernel, stride), pointwise(seen, seen)) if stride == 2 else None
    return nn.Sequential(OrderedDict([(block.op, Shuffled(main, side))]))
