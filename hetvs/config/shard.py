"""Settings of `hetvs data shard`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class ShardConfig:
    """`hetvs data shard`."""

    images: int = setting(10_000, "images in a tar, at most; a tar of 100 MB to 1 GB is read well from anywhere")

    def __post_init__(self) -> None:
        require(self.images >= 1, f"images must be >= 1, got {self.images}")
