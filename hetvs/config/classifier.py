"""Settings of `hetvs train-classifier`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.label import LabelConfig
from hetvs.settings import require, require_choice, setting

CONGRUENT = ("none", "naive", "focal", "elodi")
DISTANCES = ("divergence", "difference")  # of hetvs.losses.congruent: FD-KL and FD-LM
FOCUS = ("right", "flip", "wrong", "all")


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(LabelConfig):
    """`hetvs train-classifier`: a closed set of classes, and an earlier classifier whose right answers are kept."""

    backbone: str = setting("hetvs/edgenet", "trunk of the model, see `hetvs models`")
    img_size: int = setting(28, "side of the model's square input, in pixels")
    source_size: int = setting(28, "side at which images are held in memory and cropped from, in pixels")
    epochs: int = setting(12, "passes over the training images")
    margin: float = setting(0.0, "m, the cosine margin; 0 is plain normalised softmax")
    erase: float = setting(0.0, "chance of an erased box in a training image")
    dim: int = setting(64, "D, the dimension of the embedding under the head")
    gentle: bool = setting(True, "mild crops without change of colour, in the place of the views of drawings")
    old: str = setting("", "finished run of the earlier classifier, whose right answers are to stay right")
    references: str = setting("", "finished runs of the new classes, commas between: their mean logits are followed")
    congruent: str = setting(
        "none",
        "how the new model is held: not at all, by weights on the labels (naive), to the old logits (focal), "
        "to the mean logits of the references (elodi)",
        choices=CONGRUENT,
    )
    kappa: float = setting(
        0.1, "share of the loss that holds the model; 0.8 for elodi, whose reference contradicts no label"
    )
    alpha: float = setting(1.0, "weight of an image out of focus")
    beta: float = setting(5.0, "weight that focus adds")
    focus: str = setting("right", "in focus: old right; old right and new wrong; new wrong; all", choices=FOCUS)
    distance: str = setting("divergence", "of focal: KL at `temperature`, or squared logits", choices=DISTANCES)
    temperature: float = setting(100.0, "tau of divergence, which is scaled by its square")
    slack: float = setting(0.0, "difference of logits that elodi forgives; 0.5 is usual for a single reference")
    power: float = setting(2.0, "exponent of elodi's difference of logits")
    top: int = setting(0, "classes that elodi looks at, by the reference's logits; 0 takes all")
    hide_label: bool = setting(False, "leave the image's own class out of elodi's classes")
    old_share: float = setting(0.5, "share of the old model where it and references are both followed")
    new_bias: float = setting(0.0, "added to the logits of classes new to the old model, under the labels alone")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.dim >= 2, f"dim must be >= 2, got {self.dim}")
        for name, choices in (("congruent", CONGRUENT), ("focus", FOCUS), ("distance", DISTANCES)):
            require_choice(name, getattr(self, name), choices)
        for name in ("kappa", "old_share"):
            require(0 <= getattr(self, name) <= 1, f"{name} must be in 0..1, got {getattr(self, name)}")
        for name in ("alpha", "beta", "slack", "new_bias", "top"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("temperature", "power"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        require(not self.extra, "extra images have no label, which a classifier needs; leave --extra out")
        held_by = {"naive": bool(self.old), "focal": bool(self.old), "elodi": bool(self.references)}
        missing = "--references" if self.congruent == "elodi" else "--old"
        require(held_by.get(self.congruent, True), f"congruent = {self.congruent} needs {missing}")
        require(
            not self.references or self.congruent in ("focal", "elodi"),
            f"congruent = {self.congruent} follows no references; set focal or elodi, or leave them out",
        )
        require(self.new_bias == 0 or bool(self.old), "new_bias is for classes new to the old model; give --old")
