"""Settings of `hetvs train-student`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hetvs.config.train import TrainConfig
from hetvs.settings import require, require_choice, setting, whole_numbers

PROTOTYPE_CHOICES = ("teacher", "means", "denoised")
RIDGE_CHOICES = ("off", "start", "end", "both")
TERMS = (  # each is a setting of StudentConfig, its weight, and a function of hetvs.losses
    "anchor", "context", "influence", "anchor_squared", "csd", "rank_difference", "cross_similarity",
    "contrastive", "ract", "relational",
)  # fmt: skip
PREFIXES = "prefixes"  # one term more: its setting says which prefixes, `prefix_weight` how much they weigh


@dataclass(frozen=True, kw_only=True)
class StudentConfig(TrainConfig):
    """`hetvs train-student`: a small model that is trained into the space of a teacher.

    The defaults are what docs/recipes/emoji-student-1-80.toml trains, the best at 1/80 of the cloud's cost.
    """

    fewest_epochs: ClassVar[int] = 0

    backbone: str = setting("efficientnet_lite0", "trunk of the model, see `hetvs models`")
    blocks: int = setting(8, "leading blocks of an efficientnet_lite backbone that are kept; 0 keeps all and the head")
    img_size: int = setting(32, "side of the model's square input, in pixels")
    epochs: int = setting(10, "passes over the training images; 0, with ridge, fits the projection alone")
    lr: float = setting(2e-3, "peak learning rate of AdamW")
    trunk_lr: float = setting(0.5, "learning rate of the trunk, as a share of lr")
    clip: float = setting(5.0, "largest gradient norm")
    views: int = setting(4, "augmented views of each image whose teacher vectors are cached; 0 runs a live teacher")
    views_seed: int = setting(0, "seed of the views, apart from `seed`, so that runs can share them")
    views_folder: str = setting("", "where cached views are kept, to be shared between runs; empty: inside the run")
    whole: bool = setting(False, "train on the images as they are, each a view already (`hetvs data views`)")
    noise: float = setting(0.0, "strength of the photometric noise that the student alone sees, 0..1")
    mixup: bool = setting(False, "mix images in pairs, for a live teacher and terms without labels")
    ridge: str = setting("start", "closed-form fit of the projection, before and after training", choices=RIDGE_CHOICES)
    anchor: float = setting(5.0, "weight of 1 - cos to the teacher's vector of the same crop")
    context: float = setting(4.0, "weight of the divergence over a queue of teacher vectors")
    influence: float = setting(0.0, "weight of the teacher's frozen prototypes, on images with a known label")
    anchor_squared: float = setting(0.0, "weight of (1 - cos)^2 to the teacher's vector")
    csd: float = setting(0.0, "weight of the divergence over the teacher's nearest keys alone")
    rank_difference: float = setting(0.0, "weight of order violations among the teacher's nearest keys")
    cross_similarity: float = setting(0.0, "weight of the similarities to the teacher's vectors of the batch")
    contrastive: float = setting(0.0, "weight of the pull to keys of the same label and the push from others")
    ract: float = setting(0.0, "weight of the softmax against old and new vectors of other labels (mixed galleries)")
    relational: float = setting(0.0, "weight of the geometry inside a batch; not anchored, so never alone")
    prefixes: str = setting(
        "", "lengths of prefixes of a rotated space to follow too, commas between, for example 32,64"
    )
    prefix_weight: float = setting(1.0, "weight of 1 - cos of the prefixes, shared equally between them")
    focal: float = setting(0.0, "beta: anchor and context count 1 + beta where the teacher retrieves right")
    prototypes: str = setting(
        "teacher",
        "rows of influence: the teacher's own where it has them, means of its vectors, or means without outliers",
        choices=PROTOTYPE_CHOICES,
    )
    temperature: float = setting(0.07, "temperature of context and csd")
    ract_temperature: float = setting(0.05, "temperature of ract")
    push_margin: float = setting(0.7, "distance up to which contrastive pushes other labels away")
    queue: int = setting(2048, "teacher vectors in the queue of context, csd, rank_difference, contrastive and ract")
    csd_neighbours: int = setting(96, "nearest keys that csd looks at")
    rank_neighbours: int = setting(9, "nearest keys that rank_difference orders")
    hardest: int = setting(10, "hardest negatives of contrastive and ract")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (*TERMS, "focal"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("temperature", "ract_temperature"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        require(self.views >= 0 and self.views_seed >= 0, "views and views_seed must be >= 0")
        require(0 <= self.noise <= 1, f"noise must be in 0..1, got {self.noise}")
        require(not (self.mixup and self.views), "mixup needs a live teacher; set views = 0")
        require_choice("ridge", self.ridge, RIDGE_CHOICES)
        require(self.epochs > 0 or self.ridge != "off", "epochs = 0 trains nothing; set ridge = end")
        for name in ("queue", "csd_neighbours", "hardest"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        require(self.rank_neighbours >= 2, f"rank_neighbours must be >= 2, got {self.rank_neighbours}")
        require(0 < self.push_margin <= 2, f"push_margin must be in (0, 2], got {self.push_margin}")
        require_choice("prototypes", self.prototypes, PROTOTYPE_CHOICES)
        require(self.prefix_weight > 0, f"prefix_weight must be > 0, got {self.prefix_weight}; leave out prefixes")
        whole_numbers(self.prefixes, PREFIXES)
        pairs = self.relational > 0 or self.cross_similarity > 0
        require(not pairs or self.batch_size >= 2, "relational and cross_similarity need a batch_size >= 2, got 1")

    @property
    def prefix_dims(self) -> tuple[int, ...]:
        """The lengths of the prefixes."""
        return whole_numbers(self.prefixes, PREFIXES)

    def active_terms(self) -> dict[str, float]:
        """Return the weights above 0, by term."""
        weights = {name: getattr(self, name) for name in TERMS if getattr(self, name) > 0}
        return {**weights, PREFIXES: self.prefix_weight} if self.prefix_dims else weights
