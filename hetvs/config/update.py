"""Settings of `hetvs train-update`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.label import LabelConfig
from hetvs.settings import require, require_choice, setting

UPDATE_METHODS: dict[str, tuple[str, ...]] = {  # the terms of each; mixbct trains the head itself on old vectors
    "default": ("influence", "anchor"),
    "influence": ("influence",),
    "lce": ("lce",),
    "unibct": ("influence",),
    "mixbct": (),
    "contrastive": ("contrastive",),
    "ract": ("ract",),
    "anchor": ("anchor",),
}
UPDATE_TERMS = ("influence", "soft_influence", "anchor", "contrastive", "ract", "lce")
UNSEEN_CHOICES = ("synthesize", "restrict", "soft")


@dataclass(frozen=True, kw_only=True)
class UpdateConfig(LabelConfig):
    """`hetvs train-update`: a new model with a head of its own whose vectors still ask an old gallery."""

    dim: int = setting(0, "D of the new model, sliced or padded for the old gallery; 0 is the old model's")
    method: str = setting("default", "how the new model is tied to the old space", choices=tuple(UPDATE_METHODS))
    strength: float = setting(1.0, "lambda, a factor of every term of the method; 0 trains a free model")
    unseen: str = setting(
        "synthesize",
        "influence on classes that the old classifier lacks: class means, no term, or the old model's soft answer",
        choices=UNSEEN_CHOICES,
    )
    warm: bool = setting(
        True, "begin in the old space: at the old run's weights where it has the same backbone, else by a closed form"
    )
    influence: float = setting(3.0, "weight of the old prototypes")
    soft_influence: float = setting(3.0, "weight of the old prototypes with unseen = soft")
    anchor: float = setting(10.0, "weight of 1 - cos to the old model's vector of the same crop")
    contrastive: float = setting(1.0, "weight of the pull to old vectors of the same label and the push from others")
    ract: float = setting(1.0, "weight of the softmax against old and new vectors of other labels")
    lce: float = setting(1.0, "weight of old class centres and of what is farther from one than every old vector")
    lce_centres: float = setting(100.0, "weight, inside lce, of the mean square between own rows and old centres")
    mix: float = setting(0.3, "mixbct: share of a batch whose vectors the head sees as the old model's")
    smooth: float = setting(0.9, "unibct: share of its neighbours in a smoothed old vector")
    focal: float = setting(0.0, "beta: anchor counts 1 + beta where the old model retrieves right")
    queue: int = setting(2048, "old vectors in the queue of contrastive and ract")
    hardest: int = setting(10, "hardest negatives of contrastive and ract")
    push_margin: float = setting(0.7, "distance up to which contrastive pushes other labels away")
    ract_temperature: float = setting(0.05, "temperature of ract")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.dim == 0 or self.dim >= 2, f"dim must be 0 or >= 2, got {self.dim}")
        require_choice("method", self.method, tuple(UPDATE_METHODS))
        require_choice("unseen", self.unseen, UNSEEN_CHOICES)
        routed = self.unseen == "synthesize" or self.method in ("default", "influence")
        require(routed, f"unseen = {self.unseen} is a route of influence; {self.method} has none")
        for name in (*UPDATE_TERMS, "lce_centres", "strength", "focal"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("mix", "smooth"):
            require(0 <= getattr(self, name) < 1, f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("queue", "hardest"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        require(0 < self.push_margin <= 2, f"push_margin must be in (0, 2], got {self.push_margin}")
        require(self.ract_temperature > 0, f"ract_temperature must be > 0, got {self.ract_temperature}")
        weighed = not self.focal or "anchor" in self.active_terms()
        require(weighed, f"focal weighs the anchor, which {self.method} does not have; take default or anchor")
        require(not self.extra or self.pulls_every_image, "extra images have no label; take a method with an anchor")

    @property
    def pulls_every_image(self) -> bool:
        """Whether an image without a label has a term."""
        return bool({"anchor", "soft_influence"} & set(self.active_terms()))

    @property
    def tied(self) -> bool:
        """Whether anything ties the new model to the old space."""
        return bool(self.active_terms()) or self.mixes

    @property
    def mixes(self) -> bool:
        """Whether the head sees old vectors among the new ones."""
        return self.method == "mixbct" and self.strength > 0 and self.mix > 0

    def active_terms(self) -> dict[str, float]:
        """Return the weights above 0, by term.

        >>> UpdateConfig(strength=0.5).active_terms()
        {'influence': 1.5, 'anchor': 5.0}
        >>> UpdateConfig(method="influence", unseen="soft").active_terms()
        {'soft_influence': 3.0}
        """
        soft = self.unseen == "soft"
        names = ["soft_influence" if soft and name == "influence" else name for name in UPDATE_METHODS[self.method]]
        return {name: self.strength * getattr(self, name) for name in names if self.strength * getattr(self, name) > 0}
