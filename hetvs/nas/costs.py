"""What an architecture costs, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hetvs.errors import ConfigError
from hetvs.nas.latency import LatencyTable
from hetvs.nas.operators import Operator, operators
from hetvs.nas.space import Architecture, Space

VALUE_BYTES = {"fp32": 4, "int8": 1}
NODE_BYTES = {"fp32": 220, "int8": 900}  # of model.onnx beside the weights, an operator: names, shapes; int8 has scales


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The price of one image: counted, estimated (bytes of model.onnx) and predicted (latency, None without a table).

    `latency_ratio` is in units of the reference kernel of `hetvs bench`.
    """

    macs: int
    parameters: int
    bytes: int
    latency_ratio: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """What is needed to say what an architecture costs: D, the latency table if there is one, the precision."""

    dim: int
    table: LatencyTable | None = None
    precision: str = "fp32"

    def costs(self, arch: Architecture) -> Costs:
        """Return the costs of an embedder of `arch`; ArtifactError when the table lacks one of its operators."""
        found = operators(arch, self.dim)
        return Costs(
            macs=sum(operator.macs for operator in found),
            parameters=sum(operator.parameters for operator in found),
            bytes=sum(self._bytes(operator) for operator in found),
            latency_ratio=self.table.ratio(arch, self.dim) if self.table else None,
        )

    def _bytes(self, operator: Operator) -> int:
        """Return the share of an operator in model.onnx: batch norm is folded, so one float a channel is left."""
        shifts = operator.out_channels if operator.weights else 0
        return VALUE_BYTES[self.precision] * operator.weights + 4 * shifts + NODE_BYTES[self.precision]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Upper limits, inclusive; 0 is none."""

    macs: float = 0
    bytes: float = 0
    latency_ratio: float = 0

    def allows(self, costs: Costs) -> bool:
        """Say whether every limit is kept.

        >>> Budget(macs=5).allows(Costs(macs=5, parameters=1, bytes=9)), Budget(bytes=8).allows(
        ...     Costs(macs=5, parameters=1, bytes=9)
        ... )
        (True, False)
        """
        return all(value is None or value <= self._limits[name] for name, value in self._of(costs).items())

    def require_reachable(self, space: Space, pricing: Pricing) -> None:
        """Raise ConfigError when even the smallest architecture of `space` is above a limit."""
        for name, value in self._of(pricing.costs(space.smallest())).items():
            if value is not None and value > self._limits[name]:
                raise ConfigError(
                    f"max_{name} = {self._limits[name]:g}, but the smallest architecture of {space.name} at "
                    f"{min(space.sizes)} px has {value:g}; raise it, or search at smaller --sizes"
                )

    @property
    def _limits(self) -> Mapping[str, float]:
        return {"macs": self.macs, "bytes": self.bytes, "latency_ratio": self.latency_ratio}

    def _of(self, costs: Costs) -> dict[str, float | None]:
        """Return what is limited."""
        return {name: getattr(costs, name) for name, limit in self._limits.items() if limit}
