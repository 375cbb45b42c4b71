"""What the adapted layers see going forward and coming back: inputs as patches, and the gradients of their outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.linear.network import Linearised
from hetvs.linear.rules import Layer


@dataclass(frozen=True)
class Seen:
    """One layer on B images: g groups, d inputs of an output (the last is 1 with a bias), o outputs, T places.

    `input_BgdT` are patches, `slope_BgoT` the gradient of <v, f0> in each output. The gradient of
    an image in the layer's matrix is sum_T slope input^T.
    """

    name: str
    layer: Layer
    input_BgdT: Tensor
    slope_BgoT: Tensor

    def gradients(self) -> Tensor:
        """Return (B, P_l), one gradient an image, in the order of the layer's weight, then its bias."""
        matrix_Bgod = torch.einsum("bgot,bgdt->bgod", self.slope_BgoT, self.input_BgdT)
        if self.layer.bias is None:
            return matrix_Bgod.flatten(1)
        return torch.cat([matrix_Bgod[..., :-1].flatten(1), matrix_Bgod[..., -1].flatten(1)], dim=1)


def watch(net: Linearised, prefix_B: Tensor, cotangents: Iterator[Tensor]) -> Iterator[list[Seen]]:
    """Yield, for each cotangent v (B, D), every adapted layer in order; the images go forward once.

    In eval mode no image sees another, so one backward pass serves a batch.
    """
    layers = net.layers()
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, layer in layers.items():

            def keep(_module: nn.Module, args: tuple[Tensor, ...], output: Tensor, name: str = name) -> None:
                inputs[name], outputs[name] = args[0].detach(), output

            hooks.callback(layer.register_forward_hook(keep).remove)
        f0_BD = net.plain(prefix_B)
    patches = {name: patches_of(layer, inputs[name]) for name, layer in layers.items()}
    for v_BD in cotangents:
        slopes = torch.autograd.grad(f0_BD, list(outputs.values()), v_BD, retain_graph=True)
        yield [
            Seen(name, layer, patches[name], by_group(layer, slope))
            for (name, layer), slope in zip(layers.items(), slopes, strict=True)
        ]


def one_hot_cotangents(images: int, like: Tensor, dim: int) -> Iterator[Tensor]:
    """Yield the D unit vectors of output space, each for every image."""
    for output in range(dim):
        v_BD = torch.zeros(images, dim, dtype=like.dtype)
        v_BD[:, output] = 1
        yield v_BD


def patches_of(layer: Layer, x: Tensor) -> Tensor:
    """Return the inputs of a layer as (B, g, d, T), with a row of ones for a bias; T = 1 for a linear layer."""
    if isinstance(layer, nn.Conv2d):
        unfolded = F.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
        seen = torch.unflatten(unfolded, 1, (layer.groups, -1))
    else:
        seen = x[:, None, :, None]
    return seen if layer.bias is None else F.pad(seen, (0, 0, 0, 1), value=1.0)


def by_group(layer: Layer, y: Tensor) -> Tensor:
    """Return the outputs (or their gradients) of a layer as (B, g, o, T)."""
    return torch.unflatten(y.flatten(2), 1, (layer.groups, -1)) if isinstance(layer, nn.Conv2d) else y[:, None, :, None]
