"""What the stages share that learn a head of their own from labels."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.train import TrainConfig
from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class LabelConfig(TrainConfig):
    """Margin softmax on labels (abstract: the stages are `TeacherConfig` and `UpdateConfig`)."""

    scale: float = setting(24.0, "s, the scale of the margin softmax")
    margin: float = setting(0.2, "m, the cosine margin; 0 is plain normalised softmax")
    erase: float = setting(0.25, "chance of an erased box in a training image")
    freeze_parts: int = setting(0, "leading parts of the trunk (stem, then blocks) that keep their weights")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.scale > 0, f"scale must be > 0, got {self.scale}")
        require(0 <= self.margin < 1, f"margin must be in [0, 1), got {self.margin}")
        require(0 <= self.erase <= 1, f"erase must be in 0..1, got {self.erase}")
        require(self.freeze_parts >= 0, f"freeze_parts must be >= 0, got {self.freeze_parts}")
