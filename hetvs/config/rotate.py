"""Settings of `hetvs rotate`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class RotateConfig:
    """`hetvs rotate`: the space whose first components are worth most."""

    rows: str = setting("", "find the basis on train rows where COLUMN=VALUE, for example core=1")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        require(self.threads >= 0, f"threads must be >= 0, got {self.threads}")
