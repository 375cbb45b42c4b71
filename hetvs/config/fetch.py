"""Settings of `hetvs data fetch`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """`hetvs data fetch`."""

    size: int = setting(0, "side of the drawn images, in pixels; 0 is the set's own (see `hetvs data list`)")

    def __post_init__(self) -> None:
        require(self.size == 0 or 16 <= self.size <= 512, f"size must be 16..512 px, got {self.size}")
