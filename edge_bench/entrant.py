"""A bundle that is to be measured in a runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_bench.accuracy import precision_of
from edge_bench.conversion import converted
from edge_bench.results import Refusal
from edge_bench.runtimes import RUNTIMES
from hetvs.artifacts import EdgeBundle


@dataclass(frozen=True)
class Entrant:
    """One bundle that is to be measured in one runtime."""

    bundle: str
    runtime: str
    edge: EdgeBundle

    @property
    def key(self) -> dict[str, str]:
        """What tells its result from the others."""
        return {
            "bundle": self.bundle,
            "runtime": self.runtime,
            "folder": str(self.edge.folder),
            "precision": str(precision_of(self.edge.folder)),
        }

    def refused(self, verdict: str, reason: str, parity: dict[str, Any] | None = None) -> Refusal:
        """Return its result without figures."""
        return Refusal(**self.key, verdict=verdict, reason=reason, parity=parity or {})


def model_for(entrant: Entrant) -> Path:
    """Return the file that the runtime loads: the bundle's own, or a converted one; ArtifactError when that fails."""
    entry = RUNTIMES[entrant.runtime]
    if entry.converter is None:
        return entrant.edge.model_path
    return converted(entrant.edge, entry.converter, entry.converted_by, entry.converted_name)
