"""Settings of `hetvs compare` and `hetvs flips`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.evaluate import JUDGED, PROTOCOLS, RESAMPLE_CHOICES
from hetvs.settings import require, require_choice, setting


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """`hetvs compare`: two classifiers on the same images."""

    split: str = setting("test", "the split that is judged", choices=JUDGED)
    rows: str = setting("", "judge only rows where COLUMN=VALUE, for example half=first")
    resample: str = setting(
        "queries", "what a bootstrap draw takes; of a closed set the classes are given", choices=RESAMPLE_CHOICES
    )
    draws: int = setting(2000, "bootstrap draws of an interval")
    seed: int = setting(0, "seed of the bootstrap")
    limit: int = setting(200, "negative flips that are shown as pictures; 0 shows all")
    batch_size: int = setting(128, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_choice("split", self.split, JUDGED)
        require_choice("resample", self.resample, RESAMPLE_CHOICES)
        require(self.draws >= 100, f"draws must be >= 100, got {self.draws}")
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        for name in ("seed", "limit", "threads"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class FlipsConfig(CompareConfig):
    """`hetvs flips`: two search systems on the same queries."""

    protocol: str = setting(
        "manifest",
        "who asks whom: A, B, C of the emoji set, or the manifest's flags",
        choices=PROTOCOLS,
    )
    resample: str = setting(
        "auto",
        "what a bootstrap draw takes; auto takes classes where there are fewer than queries / 5",
        choices=RESAMPLE_CHOICES,
    )
    k: int = setting(1, "a query is right when a relevant image is within this rank", short="k")
    shown: int = setting(5, "answers that are shown of each system")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("protocol", self.protocol, PROTOCOLS)
        for name in ("k", "shown"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
