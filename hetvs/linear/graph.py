"""A trunk as a plain graph of supported operations: norms folded or split, nothing in place, dropout gone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hetvs.errors import ConfigError
from hetvs.linear.rules import LAYERS, Layer, Standardise, require_supported

MAY_OVERWRITE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid)
GONE_IN_EVAL = (nn.Identity, nn.Dropout, nn.Dropout2d)
GONE_FUNCTIONS = ("dropout", "stochastic_depth", "drop_connect")


def plain_graph(trunk: nn.Module, *, fold: bool) -> fx.GraphModule:
    """Return an eval-mode copy of `trunk`, equal to it, whose only layers with weights are convolutions and linears.

    A batch norm behind a convolution is folded into it; any other, or every one without `fold`, becomes
    a fixed standardisation and a depthwise 1x1 convolution. ConfigError names what has no tangent rule.
    """
    try:
        graph = fx.symbolic_trace(copy.deepcopy(trunk).eval())
    except Exception as error:  # torch.fx raises several kinds for control flow that depends on data
        message = " ".join(str(error).split())[:160]
        raise ConfigError(f"{type(trunk).__name__} cannot be traced: {message}; take another backbone") from error
    for node in list(graph.graph.nodes):
        _drop(graph, node) or _lift(graph, node) or _settle(graph, node)
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and isinstance(norm := graph.get_submodule(str(node.target)), nn.BatchNorm2d):
            _replace_norm(graph, node, norm, fold=fold)
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
    require_supported(graph)
    _require_single_use(graph)
    return graph.eval()


def layers_of(graph: fx.GraphModule) -> dict[str, Layer]:
    """Return the convolutions and linear layers by name, in the order of the data."""
    targets = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    modules = {name: graph.get_submodule(name) for name in targets}
    return {name: module for name, module in modules.items() if isinstance(module, LAYERS)}


def activations_of(graph: fx.GraphModule) -> list[str]:
    """Return the kinds of non-linear operations, sorted, a leaky ReLU with its slope."""
    found = set()
    for node in graph.graph.nodes:
        if node.op == "call_module":
            module = graph.get_submodule(str(node.target))
            name = type(module).__name__
            found.add(f"{name}({module.negative_slope:g})" if isinstance(module, nn.LeakyReLU) else name)
        elif node.op == "call_function":
            found.add(getattr(node.target, "__name__", ""))
    pointwise = ("ReLU", "ReLU6", "SiLU", "Sigmoid", "Hardswish", "Hardsigmoid", "relu", "relu6", "sigmoid")
    return sorted(name for name in found if name in pointwise or name.startswith("LeakyReLU"))


def split_at(graph: fx.GraphModule, first: str) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Cut a graph before the layer `first` into what never changes and the rest, at one tensor.

    Without a layer of that name everything is before the cut. The cut is the last place before it that
    one tensor alone passes.
    """
    nodes = [node for node in graph.graph.nodes if node.op != "output"]
    until = next((i for i, node in enumerate(nodes) if node.op == "call_module" and node.target == first), len(nodes))
    position = {node: i for i, node in enumerate(nodes)}
    reaches = [max((position.get(user, len(nodes)) for user in node.users), default=i) for i, node in enumerate(nodes)]
    cut = max(i for i in range(until) if all(reach <= i for reach in reaches[:i]) and _is_tensor(nodes[i]))
    before, after = fx.Graph(), fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in nodes[: cut + 1]:
        copies[node] = before.node_copy(node, copies.__getitem__)
    before.output(copies[nodes[cut]])
    rest = {nodes[cut]: after.placeholder("x")}
    for node in nodes[cut + 1 :]:
        rest[node] = after.node_copy(node, rest.__getitem__)
    (output,) = (node for node in graph.graph.nodes if node.op == "output")
    after.output(rest[output.args[0]])
    return fx.GraphModule(graph, before).eval(), fx.GraphModule(graph, after).eval()


def _is_tensor(node: fx.Node) -> bool:
    return not (node.op == "call_method" and node.target in ("size", "chunk", "dim"))


def _drop(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Take out what does nothing in eval mode."""
    module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
    gone = isinstance(module, GONE_IN_EVAL) or (
        node.op == "call_function" and getattr(node.target, "__name__", "") in GONE_FUNCTIONS
    )
    if gone:
        node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
        graph.graph.erase_node(node)
    return gone


def _lift(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Make a module of a functional convolution (of a class of its own, such as one with static padding)."""
    if node.op != "call_function" or node.target is not torch.conv2d:
        return False
    x, weight, bias, stride, padding, dilation, groups = _convolution_arguments(*node.args, **node.kwargs)
    owner = weight.target.rpartition(".")[0]
    values, offset = (_attribute(graph, value) for value in (weight, bias))
    outputs, inputs, *kernel = values.shape
    convolution = nn.Conv2d(
        inputs * groups, outputs, tuple(kernel), stride, padding, dilation, groups, bias=offset is not None
    )
    convolution.weight = values
    convolution.bias = offset
    _put(graph, node, f"{owner}.convolution", convolution.eval(), x)
    return True


def _convolution_arguments(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1
) -> tuple[Any, ...]:
    """Return the arguments of torch.conv2d in order, however they were given."""
    return input, weight, bias, stride, padding, dilation, groups


def _attribute(graph: fx.GraphModule, node: Any) -> Any:
    if node is None:
        return None
    owner, _, name = str(node.target).rpartition(".")
    return getattr(graph.get_submodule(owner), name)


def _settle(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Let nothing overwrite its input: a solver looks at the outputs of layers."""
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        if isinstance(module, MAY_OVERWRITE):
            module.inplace = False
    elif node.op == "call_function" and "inplace" in node.kwargs:
        node.kwargs = {name: value for name, value in node.kwargs.items() if name != "inplace"}
    return True


def _replace_norm(graph: fx.GraphModule, node: fx.Node, norm: nn.BatchNorm2d, *, fold: bool) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise ConfigError(f"{node.target}: a batch norm without running statistics cannot be frozen; train with them")
    before = node.args[0]
    assert isinstance(before, fx.Node)
    layer = graph.get_submodule(str(before.target)) if before.op == "call_module" else None
    if fold and isinstance(layer, nn.Conv2d) and len(before.users) == 1:
        graph.set_submodule(str(before.target), fuse_conv_bn_eval(layer, norm))
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
        return
    rate_C = (norm.running_var + norm.eps).rsqrt()
    fixed = _put(graph, node, f"{node.target}_fixed", Standardise(norm.running_mean, rate_C), before, replaces=False)
    affine = nn.Conv2d(norm.num_features, norm.num_features, 1, groups=norm.num_features).to(norm.running_var.dtype)
    with torch.no_grad():
        affine.weight.copy_((norm.weight if norm.affine else torch.ones(norm.num_features)).view(-1, 1, 1, 1))
        assert affine.bias is not None
        affine.bias.copy_(norm.bias if norm.affine else torch.zeros(norm.num_features))
    _put(graph, node, f"{node.target}_affine", affine, fixed)


def _put(
    graph: fx.GraphModule, node: fx.Node, name: str, module: nn.Module, x: Any, *, replaces: bool = True
) -> fx.Node:
    """Call `module`, under `name`, on `x`, in the place of `node` or before it."""
    graph.add_submodule(name, module)
    with graph.graph.inserting_before(node):
        put: fx.Node = graph.graph.call_module(name, (x,))
    if replaces:
        node.replace_all_uses_with(put)
        graph.graph.erase_node(node)
    return put


def _require_single_use(graph: fx.GraphModule) -> None:
    """A layer that is called twice has two inputs, and its curvature no longer one factor."""
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    for name, layer in layers_of(graph).items():
        if calls.count(name) > 1:
            raise ConfigError(
                f"{name}: {type(layer).__name__} is called {calls.count(name)} times; no rule shares weights"
            )
        if isinstance(layer, nn.Conv2d) and (layer.padding_mode != "zeros" or isinstance(layer.padding, str)):
            raise ConfigError(
                f"{name}: padding {layer.padding_mode} {layer.padding} has no rule; pad with zeros by numbers"
            )
