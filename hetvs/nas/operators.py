"""What an architecture is made of, operator by operator: latency, MACs and parameters are sums over them.

They are the operators of the exported graph, where batch norm is folded into its convolution and a ReLU
is part of it; cast, normalisation and unit norm cost the same for every architecture and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hetvs.nas.space import SPACES, Architecture, Block, Space

KINDS = ("conv", "conv_relu", "add", "shuffle", "concat", "pool", "linear")
KERNELS = {"dw3": 3, "dw5": 5, "dw7": 7, "shuffle3": 3, "shuffle5": 5, "shuffle7": 7}
LITE_STEM = 32  # channels of the first convolution of space `lite`
XCEPTION_DEPTH = 3  # depthwise 3x3 convolutions in a row


@dataclass(frozen=True, order=True)
class Operator:
    """One operator on a square map of `in_px` x `in_px` places; equal operators cost the same.

    Kinds: conv and conv_relu (with their batch norm), add (a shortcut), shuffle (channels in two
    interleaved halves, the even and the odd ones), concat (two maps side by side), pool (the mean of
    all places), linear (on one place).
    """

    kind: str
    kernel: int
    stride: int
    in_channels: int
    out_channels: int
    groups: int
    in_px: int

    @property
    def out_px(self) -> int:
        """The side of the output: padding is kernel // 2, so it is in_px / stride rounded up."""
        return 1 if self.kind == "pool" else -(-self.in_px // self.stride)

    @property
    def weights(self) -> int:
        """Values of the kernel; 0 for what has none."""
        if self.kind not in ("conv", "conv_relu", "linear"):
            return 0
        return self.kernel**2 * self.in_channels * self.out_channels // self.groups

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return self.weights * self.out_px**2

    @property
    def parameters(self) -> int:
        """Trainable values: the kernel, and the scale and shift of its batch norm or its bias."""
        shifts = {"linear": 1, "conv": 2, "conv_relu": 2}.get(self.kind, 0)
        return self.weights + shifts * self.out_channels


def operators(arch: Architecture, dim: int) -> tuple[Operator, ...]:
    """Return the operators of an embedder of `arch` with D = `dim`, in the order of the data."""
    space = SPACES[arch.space]
    inputs, px = space.widened(space.stem, arch.width), arch.img_size
    found = list(stem_operators(space, inputs, px))
    for blocks, channels, first_stride in zip(arch.stages, space.channels, space.strides, strict=True):
        outputs = space.widened(channels, arch.width)
        for number, block in enumerate(blocks):
            stride = first_stride if number == 0 else 1
            found += block_operators(space, block, inputs, outputs, stride, found[-1].out_px)
            inputs = outputs
    px = found[-1].out_px
    if space.last:
        last = space.widened(space.last, arch.width)
        found.append(Operator("conv_relu", 1, 1, inputs, last, 1, px))
        inputs = last
    found.append(Operator("pool", px, 1, inputs, inputs, inputs, px))
    return (*found, Operator("linear", 1, 1, inputs, dim, 1, 1))


def macs_of(arch: Architecture, dim: int) -> int:
    """Return the MACs of one image, as `hetvs.models.cost` counts them on the network that runs.

    >>> macs_of(SPACES["hetvs-s"].smallest(), 128)
    370432
    """
    return sum(operator.macs for operator in operators(arch, dim))


def parameters_of(arch: Architecture, dim: int) -> int:
    """Return the number of trainable values of an embedder."""
    return sum(operator.parameters for operator in operators(arch, dim))


def stem_operators(space: Space, outputs: int, px: int) -> Iterator[Operator]:
    """Yield the operators before the first stage on pixels of `px` x `px` places."""
    if space.name != "lite":
        yield Operator("conv_relu", 3, 2, 3, outputs, 1, px)
        return
    inner, small = LITE_STEM, -(-px // 2)
    yield Operator("conv_relu", 3, 2, 3, inner, 1, px)
    yield Operator("conv_relu", 3, 1, inner, inner, inner, small)
    yield Operator("conv", 1, 1, inner, outputs, 1, small)


def block_operators(space: Space, block: Block, inputs: int, outputs: int, stride: int, px: int) -> Iterator[Operator]:
    """Yield the operators of one block on maps of `px` x `px` places."""
    build = _shuffled if space.name == "shuffle" else _inverted
    return build(block, inputs, outputs, stride, px)


def _inverted(block: Block, inputs: int, outputs: int, stride: int, px: int) -> Iterator[Operator]:
    """Widen, depthwise, narrow without ReLU (MobileNet V2, arXiv 1801.04381); a shortcut where shapes agree."""
    inner = inputs * block.expand
    yield Operator("conv_relu", 1, 1, inputs, inner, 1, px)
    kernels = [KERNELS[block.op]] if block.op in KERNELS else [3] * XCEPTION_DEPTH
    for number, kernel in enumerate(kernels):
        yield Operator("conv_relu", kernel, stride if number == 0 else 1, inner, inner, inner, px)
        px = -(-px // stride) if number == 0 else px
    yield Operator("conv", 1, 1, inner, outputs, 1, px)
    if stride == 1 and inputs == outputs:
        yield Operator("add", 1, 1, outputs, outputs, outputs, px)


def _shuffled(block: Block, inputs: int, outputs: int, stride: int, px: int) -> Iterator[Operator]:
    """A choice block of Single Path One-Shot: half of the channels pass by, or both halves shrink the map."""
    small = -(-px // stride)
    if stride == 1:
        yield Operator("shuffle", 1, 1, inputs, inputs, 1, px)
        inputs //= 2
    inner, made = outputs // 2, outputs - inputs
    if block.op in KERNELS:
        yield Operator("conv_relu", 1, 1, inputs, inner, 1, px)
        yield Operator("conv", KERNELS[block.op], stride, inner, inner, inner, px)
        yield Operator("conv_relu", 1, 1, inner, made, 1, small)
    else:
        widths = [inputs, *[inner] * (XCEPTION_DEPTH - 1), made]
        for number, (a, b) in enumerate(pairwise(widths)):
            yield Operator("conv", 3, stride if number == 0 else 1, a, a, a, px if number == 0 else small)
            yield Operator("conv_relu", 1, 1, a, b, 1, small)
    if stride == 2:
        kernel = KERNELS.get(block.op, 3)
        yield Operator("conv", kernel, stride, inputs, inputs, inputs, px)
        yield Operator("conv_relu", 1, 1, inputs, inputs, 1, small)
    yield Operator("concat", 1, 1, outputs, outputs, 1, small)
