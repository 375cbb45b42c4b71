"""ReLU -> leaky ReLU: a linearised network with dead units has no tangent there to learn by."""

from __future__ import annotations

from torch import nn

from hetvs.errors import ConfigError

SLOPE = 0.1


def to_leaky(model: nn.Module, slope: float = SLOPE) -> nn.Module:
    """Replace every ReLU and ReLU6 module of `model`, in place, by a leaky ReLU; the weights keep their names.

    The function changes: train a few epochs from the old weights. ConfigError when there is none to replace.

    >>> to_leaky(nn.Sequential(nn.Linear(1, 1), nn.ReLU()))[1]
    LeakyReLU(negative_slope=0.1, inplace=True)
    """
    found = [name for name, module in model.named_modules() if isinstance(module, nn.ReLU | nn.ReLU6)]
    if not found:
        raise ConfigError(f"{type(model).__name__} has no ReLU to make leaky; keep --activation relu")
    for name in found:
        model.set_submodule(name, nn.LeakyReLU(slope, inplace=True))
    return model
