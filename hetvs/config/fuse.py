"""Settings of `hetvs fuse`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hetvs.errors import ConfigError
from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class FuseConfig:
    """`hetvs fuse`: one gallery model out of several models of one space."""

    members: str = setting("", "finished runs of one space, commas between: the cloud model, then its students")
    weights: str = setting("", "how much of each member's vector, commas between; empty: 1 of each")

    def __post_init__(self) -> None:
        require(not self.members or len(self.runs) > 1, f"members must be two runs or more, got {self.members!r}")
        require(
            not self.members or len(self.shares) == len(self.runs),
            f"weights must be one for each of {len(self.runs)} members, got {self.weights!r}",
        )
        for share in self.shares:
            require(math.isfinite(share) and share > 0, f"weights must be > 0, got {self.weights!r}")

    @property
    def runs(self) -> tuple[str, ...]:
        """The paths of the members."""
        return tuple(path.strip() for path in self.members.split(",") if path.strip())

    @property
    def shares(self) -> tuple[float, ...]:
        """A weight for each member."""
        if not self.weights:
            return (1.0,) * len(self.runs)
        try:
            return tuple(float(word) for word in self.weights.split(","))
        except ValueError:
            raise ConfigError(f"weights must be numbers with commas between, got {self.weights!r}") from None
