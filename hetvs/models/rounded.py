"""A net of an int8 file, as PyTorch trains it: the file's own steps, with roundings that a gradient passes.

The steps come from the quantised graph itself, so batch norm is folded and every value is rounded where
the file rounds it; what is learned goes back through the quantiser that wrote the graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hetvs.errors import ConfigError
from hetvs.models.rounding import LEVELS, WeightLevels, activation_levels, round_bias, round_to_levels
from hetvs.models.steps import OPERATORS

ROUND = "QuantizeLinear"
AGILITY = 10.0  # of a range, beside a weight: thresholds learn faster than weights (Jain et al., arXiv 1903.08066)


@dataclass(frozen=True)
class Step:
    """One node: names of what goes in ("" where an optional input is left out) and comes out.

    A step ROUND has the name of its range as its second input.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A net as steps from the pixels at `input`, (B, S, S, 3), to the vectors at `output`, (B, D).

    `weights` are trained, and rounded where `levels` names them; a bias of `biases` is rounded to the
    product of the steps of the range and the weight named there. `ranges` holds low <= 0 <= high of each
    range of activations, `constants` is all the rest.
    """

    steps: tuple[Step, ...]
    input: str
    output: str
    constants: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]
    levels: Mapping[str, WeightLevels] = field(default_factory=dict)
    biases: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted({step.op for step in self.steps} - {*OPERATORS, ROUND})
        if unknown:
            raise ConfigError(f"export: --qat cannot train {', '.join(unknown)}; leave it out, or add a step for it")


class RoundedNet(nn.Module):
    """Maps (B, 3, S, S) RGB pixels in 0..255 to (B, D) unit vectors, as the int8 file of a plan does (final).

    Training and eval mode are the same: nothing in it draws or counts.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        weights = {name: nn.Parameter(torch.tensor(array)) for name, array in plan.weights.items()}
        self.trunk = nn.ParameterDict({_key(n): w for n, w in weights.items() if ".trunk." in n})  # has its own rate
        self.rest = nn.ParameterDict({_key(n): w for n, w in weights.items() if ".trunk." not in n})
        self.gains = nn.ParameterDict({_key(name): nn.Parameter(torch.zeros(2)) for name in plan.ranges})
        for name, array in plan.constants.items():
            self.register_buffer(_key(name), torch.tensor(array), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return unit vectors (B, D)."""
        values: dict[str, Any] = {"": None, self.plan.input: pixels.permute(0, 2, 3, 1)}
        values |= {name: self.get_buffer(_key(name)) for name in self.plan.constants}
        values |= {name: self._rounded_weight(name) for name in self.plan.weights}
        for step in self.plan.steps:
            if step.op == ROUND:
                results: Any = self._rounded(values[step.inputs[0]], step.inputs[1])
            else:
                results = OPERATORS[step.op](step.options, *(values[name] for name in step.inputs))
            values |= zip(step.outputs, (results,) if isinstance(results, Tensor) else results, strict=True)
        vectors_BD: Tensor = values[self.plan.output]
        return vectors_BD

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights, not rounded, by name."""
        return {name: self._weight(name).detach().cpu().numpy() for name in self.plan.weights}

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return low and high of each range of activations, by name."""
        with torch.no_grad():
            pairs = {name: self._range(name, self.gains[_key(name)]) for name in self.plan.ranges}
            return {name: (low.item(), high.item()) for name, (low, high) in pairs.items()}

    def _weight(self, name: str) -> Tensor:
        weight: Tensor = (self.trunk if ".trunk." in name else self.rest)[_key(name)]
        return weight

    def _rounded_weight(self, name: str) -> Tensor:
        """Return a weight as the file holds it."""
        weight = self._weight(name)
        if name in self.plan.levels:
            return self.plan.levels[name].rounded(weight)
        if name not in self.plan.biases:
            return weight
        range_name, kernel = self.plan.biases[name]
        levels = self.plan.levels[kernel]
        with torch.no_grad():
            kernel_scale = levels.scale_and_zero(self._weight(kernel))[0].flatten()
            scale = activation_levels(*self._range(range_name, self.gains[_key(range_name)]))[0]
        return round_bias(weight, scale * kernel_scale, widen=levels.lowest < 0)

    def _rounded(self, x: Tensor, name: str) -> Tensor:
        """Round activations; the gradient of their range is scaled as in LSQ (Esser et al., arXiv 1902.08153, 2.2)."""
        gain = self.gains[_key(name)]
        share = 1 / math.sqrt(max(1, x.numel() // len(x)) * LEVELS)
        gain = gain * share + (gain - gain * share).detach()
        return round_to_levels(x, *activation_levels(*self._range(name, gain)), 0, LEVELS)

    def _range(self, name: str, gain: Tensor) -> tuple[Tensor, Tensor]:
        """Return low and high: what calibration found, times a learned factor, so that 0 stays 0 and signs stay."""
        low, high = self.plan.ranges[name]
        factor = torch.exp(AGILITY * gain)
        return low * factor[0], high * factor[1]


def _key(name: str) -> str:
    """Return a name without dots, which torch keeps for itself."""
    return name.replace(".", "/")
