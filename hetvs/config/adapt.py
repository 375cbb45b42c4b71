"""Settings of `hetvs adapt`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hetvs.config.evaluate import JUDGED, PROTOCOLS, RESAMPLE_CHOICES
from hetvs.settings import require, require_choice, setting

MAP_METHODS = ("ridge", "procrustes", "lambda-orthogonal", "mlp")
DIRECTIONS = ("forward", "backward")
FITTED = ("train", "val")


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """`hetvs adapt`."""

    method: str = setting("ridge", "kind of map; mlp also predicts the variance of its error", choices=MAP_METHODS)
    direction: str = setting(
        "forward",
        "forward maps the old model's gallery, so --from is the old model; backward maps the new model's queries",
        choices=DIRECTIONS,
    )
    fit: str = setting("train", "the split that the map learns on; test is never one", choices=FITTED)
    rows: str = setting("", "learn and judge only on rows where COLUMN=VALUE, for example core=1")
    damping: float = setting(1e-3, "ridge and mlp: damping, as a share of the features' mean square")
    orthogonality: float = setting(0.5, "lambda-orthogonal: distance from orthogonal maps that costs little")
    classifier: float = setting(0.1, "mlp: weight of the target model's prototypes, which classify what is mapped")
    hidden: int = setting(256, "mlp: units of the hidden layer")
    epochs: int = setting(40, "mlp: passes over the pairs")
    lr: float = setting(1e-3, "mlp: peak learning rate of AdamW")
    split: str = setting("val", "the split on which the rule is judged", choices=JUDGED)
    protocol: str = setting("manifest", "who asks whom, see `hetvs evaluate`", choices=PROTOCOLS)
    resample: str = setting("auto", "what a bootstrap draw takes, see `hetvs evaluate`", choices=RESAMPLE_CHOICES)
    draws: int = setting(2000, "bootstrap draws of an interval")
    seed: int = setting(0, "seed of the bootstrap, and of an mlp")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        for name, choices in (
            ("method", MAP_METHODS),
            ("direction", DIRECTIONS),
            ("fit", FITTED),
            ("split", JUDGED),
            ("protocol", PROTOCOLS),
            ("resample", RESAMPLE_CHOICES),
        ):
            require_choice(name, getattr(self, name), choices)
        require(self.fit != self.split, f"a map learned on {self.fit} is not judged there; set split to another one")
        for name in ("damping", "lr"):
            value = getattr(self, name)
            require(value > 0 and math.isfinite(value), f"{name} must be > 0, got {value}")
        for name in ("orthogonality", "classifier"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("hidden", "epochs", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        require(self.draws >= 100, f"draws must be >= 100, got {self.draws}")
        require(self.seed >= 0 and self.threads >= 0, "seed and threads must be >= 0")
