"""Settings of `hetvs train-teacher`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.label import LabelConfig
from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(LabelConfig):
    """`hetvs train-teacher`: a model that is trained on labels and gives birth to a space."""

    dim: int = setting(128, "D, the dimension of the embedding")
    companion: str = setting("", "finished runs to stay close to, commas between: models of the same images")
    companion_weight: float = setting(5.0, "weight of 1 - cos between the teacher and its companions")
    freeze_backbone: bool = setting(False, "train the projection and the head only, on cached features")
    views: int = setting(4, "augmented views whose features are cached with freeze_backbone")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.dim >= 2, f"dim must be >= 2, got {self.dim}")
        require(self.views >= 1, f"views must be >= 1, got {self.views}")
        require(self.companion_weight >= 0, f"companion_weight must be >= 0, got {self.companion_weight}")
        require(not (self.companion and self.freeze_backbone), "a companion needs a trunk that learns")
        require(not self.extra or bool(self.companion), "extra images have no label to learn; give a companion")
