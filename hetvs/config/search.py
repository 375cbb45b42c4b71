"""Settings of `hetvs search-student`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.evaluate import JUDGED
from hetvs.config.supernet import MODES
from hetvs.settings import require, require_choice, setting

REWARDS = ("R1", "R2", "R3", "R4", "R5", "R6", "R7")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """`hetvs search-student`."""

    mode: str = setting(
        "anchored",
        "anchored: a front of cost and reward, exported as it is; faithful: as published, one winner to train anew",
        choices=MODES,
    )
    supernet_config: str = setting("", "without --supernet: TOML file of settings that the supernet is trained by")
    reward: str = setting(
        "R2",
        "what is searched for: R1 M(q,q), R2 M(q,g), R3 their product, R4 R2 by measured latency, R5 mean cosine to "
        "the cloud (no labels), R6 worst ordered pair of the family, R7 R2 after int8",
        choices=REWARDS,
    )
    candidates: int = setting(1000, "architectures that are looked at")
    max_macs: float = setting(0.0, "most MACs of an image; 0 is no limit")
    max_latency_ratio: float = setting(0.0, "highest latency / reference kernel, by the table; 0 is no limit")
    max_bytes: float = setting(0.0, "most bytes of model.onnx; 0 is no limit")
    latency_table: str = setting("", "file of `hetvs latency-table`, or a phone's: its latency is the cost, not MACs")
    screen: float = setting(0.5, "anchored: share of candidates judged in full, by R5 on few images; 1 judges all")
    family: str = setting("", "R6: runs or bundles that the new model shall live with, commas between")
    export: int = setting(3, "anchored: points of the front written as runs and bundles")
    refit: bool = setting(True, "anchored: exported points get statistics and a projection of their own, untrained")
    split: str = setting("val", "split of the family's matrix; the search itself reads val alone", choices=JUDGED)
    workers: int = setting(1, "processes that share the search, one core each")
    seed: int = setting(0, "seed of the evolution")

    def __post_init__(self) -> None:
        require_choice("mode", self.mode, MODES)
        require_choice("reward", self.reward, REWARDS)
        require_choice("split", self.split, JUDGED)
        require(self.candidates >= 2, f"candidates must be >= 2, got {self.candidates}")
        for name in ("max_macs", "max_latency_ratio", "max_bytes", "export", "seed"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        require(0 < self.screen <= 1, f"screen must be in (0, 1], got {self.screen}")
        require(self.workers >= 1, f"workers must be >= 1, got {self.workers}")
        by_latency = self.reward == "R4" or self.max_latency_ratio > 0
        require(
            not by_latency or bool(self.latency_table),
            "R4 and max_latency_ratio go by measured latency; add --latency-table (see `hetvs latency-table`)",
        )
        require(not self.family or self.reward == "R6", "family is read by R6 alone; set reward = R6")
