"""Latency as measured: a table of operators, what a whole model costs on top, and how far the sum is to be trusted.

Everything is in units of a reference kernel that was timed in the same rounds (a float32 product of two 256 x 256
matrices), so that a table outlives the load of the host it was measured on. A table may come from elsewhere, a
phone for one: its file is JSON, `operators` and `runtime` are all that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from hetvs.errors import ArtifactError
from hetvs.files import read_json, write_json
from hetvs.nas.operators import Operator, block_operators, operators
from hetvs.nas.space import Architecture, Block, Space, decode, encode

VERSION = 1
COSTS = ("run", "place", "operator", "sum")  # one coefficient each: see `features`
PLAIN_SUM = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Comparison:
    """An architecture whose whole model was measured, and what the table had predicted, as ratios."""

    arch: Architecture
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """|predicted / measured - 1|."""
        return abs(self.predicted / self.measured - 1)


@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """The ratio of every operator, and what is known of the sum.

    `fit` are the costs of a run, of a place of the input (a pixel's cast and normalisation), of an operator,
    and the factor of the sum; a table without whole models is summed as it is. `held_out` was not fitted on.
    """

    ratios: Mapping[Operator, float]
    runtime: Mapping[str, Any]
    threads: int = 1
    host: Mapping[str, Any] = field(default_factory=dict)
    fit: tuple[float, ...] = PLAIN_SUM
    held_out: tuple[Comparison, ...] = ()

    def ratio(self, arch: Architecture, dim: int) -> float:
        """Return the predicted latency of an embedder of `arch`; ArtifactError when an operator is not in the table."""
        return float(np.dot(features(arch, dim, self.ratios), self.fit))

    @property
    def median_error(self) -> float | None:
        """The median error on the held-out architectures; None when there is none."""
        return float(np.median([one.error for one in self.held_out])) if self.held_out else None

    def save(self, path: Path) -> None:
        """Write the table as JSON, atomically."""
        write_json(
            path,
            {
                "version": VERSION,
                "unit": "one float32 product of two 256 x 256 matrices",
                "runtime": dict(self.runtime),
                "threads": self.threads,
                "host": dict(self.host),
                "fit": dict(zip(COSTS, self.fit, strict=True)),
                "median_error": self.median_error,
                "held_out": [
                    {"genes": encode(one.arch), "measured": one.measured, "predicted": one.predicted}
                    for one in self.held_out
                ],
                "operators": [{**asdict(operator), "ratio": ratio} for operator, ratio in sorted(self.ratios.items())],
            },
        )

    @classmethod
    def load(cls, path: Path) -> LatencyTable:
        """Read a table; ArtifactError says what is missing, malformed or of another version."""
        values = read_json(path)
        if not isinstance(values, dict) or values.get("version") != VERSION:
            raise ArtifactError(f"{path}: no latency table of version {VERSION}; make it with `hetvs latency-table`")
        try:
            fit = values.get("fit") or dict(zip(COSTS, PLAIN_SUM, strict=True))
            return cls(
                ratios=_ratios(values["operators"]),
                runtime=dict(values["runtime"]),
                threads=int(values.get("threads", 1)),
                host=dict(values.get("host") or {}),
                fit=tuple(float(fit[name]) for name in COSTS),
                held_out=tuple(
                    Comparison(decode(one["genes"]), float(one["measured"]), float(one["predicted"]))
                    for one in values.get("held_out") or ()
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: a field is missing or malformed: {error!r}; make the table again") from None


def features(arch: Architecture, dim: int, ratios: Mapping[Operator, float]) -> tuple[float, float, float, float]:
    """Return what the costs of a run, a place, an operator and the sum are multiplied with.

    ArtifactError when an operator of `arch` is not among `ratios`.
    """
    found = operators(arch, dim)
    missing = next((operator for operator in found if operator not in ratios), None)
    if missing is not None:
        raise ArtifactError(
            f"the latency table lacks {missing}; measure it with `hetvs latency-table --space {arch.space} "
            f"--sizes {arch.img_size} --dim {dim}`"
        )
    return 1.0, float(arch.img_size**2), float(len(found)), sum(ratios[operator] for operator in found)


def fit_costs(
    models: Sequence[tuple[Architecture, float]], dim: int, ratios: Mapping[Operator, float]
) -> tuple[float, ...]:
    """Return the costs that explain the measured ratios of whole models best: least squares of the relative error."""
    rows = np.array([features(arch, dim, ratios) for arch, _ in models])
    measured = np.array([ratio for _, ratio in models])
    found, *_ = np.linalg.lstsq(rows / measured[:, None], np.ones(len(models)), rcond=None)
    return tuple(float(value) for value in found)


def reachable(space: Space, dim: int) -> list[Operator]:
    """Return every operator that an architecture of `space` may have, sorted."""
    return sorted({operator for width in space.widths for operator in _at_width(space, width, dim)})


def _at_width(space: Space, width: float, dim: int) -> Iterable[Operator]:
    """Yield the operators of one width, some of them twice."""
    blocks = [Block(op, expand) for op in space.ops for expand in space.expands]
    for size in space.sizes:
        smallest = Architecture(space.name, tuple((blocks[0],) * min(d) for d in space.depths), width, size)
        yield from operators(smallest, dim)  # with what stands before the stages and after them
        inputs, px = space.widened(space.stem, width), -(-size // 2)
        for channels, stride in zip(space.channels, space.strides, strict=True):
            outputs, small = space.widened(channels, width), -(-px // stride)
            for block in blocks:
                yield from block_operators(space, block, inputs, outputs, stride, px)
                yield from block_operators(space, block, outputs, outputs, 1, small)
            inputs, px = outputs, small


def _ratios(entries: Sequence[Mapping[str, Any]]) -> dict[Operator, float]:
    """Return the ratio of each operator of a file."""
    names = [f.name for f in fields(Operator)]
    return {Operator(**{name: entry[name] for name in names}): float(entry["ratio"]) for entry in entries}
