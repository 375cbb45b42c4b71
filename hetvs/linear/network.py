"""The tangent network: f(x; dw) = f0(x) + J(x) dw, two streams through one graph, before any norm."""

from __future__ import annotations

import copy
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from hetvs.errors import ConfigError
from hetvs.linear.graph import activations_of, layers_of, plain_graph, split_at
from hetvs.linear.rules import (
    FUNCTION_SLOPES,
    LAYERS,
    OF_STREAMS,
    SHAPE_FUNCTIONS,
    SHAPE_METHODS,
    Layer,
    Stream,
    through_layer,
    through_module,
)
from hetvs.models.embedder import Embedder

PROJECTION = "projection"
L = TypeVar("L", bound=nn.Module)


class TwoStreams(fx.Interpreter):
    """Runs a graph on streams (final): every value with its tangent along `deltas`, by layer name."""

    def __init__(self, graph: fx.GraphModule, deltas: Mapping[str, nn.Module]) -> None:
        super().__init__(graph)
        self.deltas = deltas

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the stream behind a module."""
        module = self.fetch_attr(target)
        if isinstance(module, LAYERS):
            return through_layer(module, self.deltas.get(target), args[0])
        return through_module(module, args[0])

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the stream behind a function; shapes are computed as they are."""
        if target in SHAPE_FUNCTIONS:
            return target(*map_aggregate(args, lambda arg: arg.value if isinstance(arg, Stream) else arg))
        if target in OF_STREAMS and all(isinstance(arg, Stream) for arg in args):
            return OF_STREAMS[target](*args)
        if target in FUNCTION_SLOPES:
            x = args[0]
            return Stream(target(x.value), None if x.tangent is None else FUNCTION_SLOPES[target](x.value) * x.tangent)
        return _linearly(target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the stream behind a method of a tensor."""
        if target in SHAPE_METHODS:
            return getattr(args[0].value, target)(*args[1:], **kwargs)
        return _linearly(lambda x, *rest, **named: getattr(x, target)(*rest, **named), args, kwargs)


def _linearly(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply a linear function to the values and to the tangents; one that gives several gives several streams."""
    if function is operator.getitem and isinstance(args[0], tuple):  # of several streams one, or of a shape a number
        return args[0][args[1]]
    streams: list[Stream] = []
    map_aggregate(args, lambda arg: streams.append(arg) if isinstance(arg, Stream) else None)
    value = function(*map_aggregate(args, lambda arg: arg.value if isinstance(arg, Stream) else arg), **kwargs)
    if all(stream.tangent is None for stream in streams):
        return tuple(map(Stream, value)) if isinstance(value, tuple) else Stream(value)
    tangent = function(*map_aggregate(args, lambda arg: _tangent(arg) if isinstance(arg, Stream) else arg), **kwargs)
    return tuple(map(Stream, value, tangent)) if isinstance(value, tuple) else Stream(value, tangent)


def _tangent(stream: Stream) -> Tensor:
    return torch.zeros_like(stream.value) if stream.tangent is None else stream.tangent


class TangentTrunk(nn.Module):
    """A trunk of two streams (final): (B, 3, S, S) -> (B, 2 D_h), features and their tangent side by side.

    Behind it, W h + b + dW h + db + W h' is one linear layer of [h, h']: a tangent network is an embedder.
    `adapted` are names of its graph's layers; nothing before the first of them has a tangent, nor its cost.
    """

    def __init__(self, trunk: nn.Module, adapted: Sequence[str], *, fold: bool) -> None:
        super().__init__()
        graph = plain_graph(trunk, fold=fold)
        layers = layers_of(graph)
        unknown = [name for name in adapted if name not in layers]
        if unknown:
            raise ConfigError(f"{unknown[0]}: no layer of {type(trunk).__name__}; its layers are {', '.join(layers)}")
        self.adapted = tuple(name for name in layers if name in adapted)
        self.before, self.after = split_at(graph, self.adapted[0] if adapted else "")
        self.activations = tuple(activations_of(graph))
        self.deltas = nn.ModuleList(_zero(layers[name]) for name in self.adapted)

    def streams(self, x: Tensor) -> Stream:
        """Return the features and their tangent behind `before`."""
        named = dict(zip(self.adapted, self.deltas, strict=True))
        found: Stream = TwoStreams(self.after, named).run(Stream(x))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Return features and tangent side by side."""
        found = self.streams(self.before(x))
        return torch.cat([found.value, _tangent(found)], dim=1)


class Linearised(nn.Module):
    """An embedder before its norm, linearised around its weights (final).

    The adapted layers are the last `layers` convolutions and linears, the projection being the first of
    them; 0 takes all. What stands before them runs once per image (`prefix`); `plain` is the network at
    w0, `forward` its output and the tangent along dw (`set_delta`), both (B, D), of such prefixes.
    """

    def __init__(self, embedder: Embedder, *, layers: int, fold: bool = True) -> None:
        super().__init__()
        names = list(layers_of(plain_graph(embedder.trunk, fold=fold)))
        if layers > 1 + len(names):
            raise ConfigError(f"layers = {layers}, but the network has {1 + len(names)}; 0 takes all")
        self.fold = fold
        self.trunk = TangentTrunk(embedder.trunk, names[len(names) + 1 - layers :] if layers else names, fold=fold)
        self.projection, self.delta = copy.deepcopy(embedder.projection), _zero(embedder.projection)
        self.register_buffer("mean", embedder.mean)
        self.register_buffer("std", embedder.std)
        self.requires_grad_(False)
        for layer in self.layers().values():
            layer.requires_grad_(True)
        self.eval()

    mean: Tensor
    std: Tensor

    def layers(self) -> dict[str, Layer]:
        """Return the adapted layers at w0 by name, the projection last: the order of the coordinates of dw."""
        found = layers_of(self.trunk.after)
        return {name: found[name] for name in self.trunk.adapted} | {PROJECTION: self.projection}

    def prefix(self, pixels: Tensor) -> Tensor:
        """Return what the adapted layers see of (B, 3, S, S) pixels in 0..255."""
        dtype = self.projection.weight.dtype
        before: Tensor = self.trunk.before((pixels.to(dtype) - self.mean) / self.std)
        return before

    def plain(self, prefix: Tensor) -> Tensor:
        """Return f0 (B, D), differentiable in the weights of the adapted layers."""
        out: Tensor = self.projection(self.trunk.after(prefix))
        return out

    def forward(self, prefix: Tensor) -> tuple[Tensor, Tensor]:
        """Return f0 and J dw, each (B, D)."""
        out = through_layer(self.projection, self.delta, self.trunk.streams(prefix))
        assert out.tangent is not None
        return out.value, out.tangent

    def _deltas(self) -> list[nn.Parameter]:
        return [p for module in (*self.trunk.deltas, self.delta) for p in module.parameters()]

    @property
    def size(self) -> int:
        """P, the number of coordinates of dw."""
        return sum(parameter.numel() for parameter in self._deltas())

    def set_delta(self, delta_P: Tensor) -> None:
        """Set dw (P,), of any floating type."""
        vector_to_parameters(delta_P.to(self.projection.weight.dtype), self._deltas())

    def get_delta(self) -> Tensor:
        """Return dw (P,) as float64."""
        return parameters_to_vector(self._deltas()).double()


def to_tangent_state(net: Linearised) -> dict[str, Tensor]:
    """Return the state of an embedder on `TangentTrunk` that computes norm(f0 + J dw)."""
    w0, dw = net.projection, net.delta
    weight = torch.cat([w0.weight + dw.weight, w0.weight], dim=1)
    trunk = {f"trunk.{name}": value for name, value in net.trunk.state_dict().items()}
    return {**trunk, "projection.weight": weight, "projection.bias": w0.bias + dw.bias}


def _zero(layer: L) -> L:
    delta = copy.deepcopy(layer)
    for parameter in delta.parameters():
        nn.init.zeros_(parameter)
    return delta
