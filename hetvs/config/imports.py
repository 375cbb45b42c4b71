"""Settings of `hetvs data import`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """`hetvs data import`."""

    val: int = setting(10, "percent of the train classes, by the hash of their names, that become val; 0 leaves none")
    boxes: bool = setting(False, "cut images to their boxes where a layout has them but papers do not use them (cub)")
    relative: bool = setting(False, "write paths relative to the manifest, to be moved together, instead of absolute")

    def __post_init__(self) -> None:
        require(0 <= self.val <= 50, f"val must be 0..50 percent, got {self.val}")
