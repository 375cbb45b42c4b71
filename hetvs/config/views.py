"""Settings of `hetvs data views`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, setting


@dataclass(frozen=True, kw_only=True)
class ViewsConfig:
    """`hetvs data views`: the augmented views of train images as files, for a teacher that is asked elsewhere."""

    views: int = setting(4, "augmented views of each train image")
    size: int = setting(96, "side of a view in pixels: the teacher's input, and no less than the student's")
    source_size: int = setting(96, "side at which images are held in memory and cropped from, in pixels")
    rows: str = setting("", "views of train rows where COLUMN=VALUE only, for example core=1")
    views_seed: int = setting(0, "seed of the views")

    def __post_init__(self) -> None:
        for name in ("views", "size", "source_size"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        require(self.views_seed >= 0, f"views_seed must be >= 0, got {self.views_seed}")
