"""What a training term may see of a step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B images of a step: unit rows of student and teacher, the queue's S keys, C prototypes.

    Labels are class numbers. Class c < C has the prototype row c, a class from C on has none, and
    -1 is unknown. `weights_B` (mean 1) are the focal weights, None when there are none. An update adds,
    beside the prototypes, the rows of its own head `own_CD` and, for lce, the `radius_C` of each old class.
    """

    query_BD: Tensor
    teacher_BD: Tensor
    labels_B: Tensor
    images_B: Tensor
    keys_SD: Tensor
    key_images_S: Tensor
    key_labels_S: Tensor
    prototypes_CD: Tensor
    scale: float
    weights_B: Tensor | None = None
    own_CD: Tensor | None = None
    radius_C: Tensor | None = None

    @property
    def same_image(self) -> Tensor:
        """Which keys came from the image of a row itself (B, S): no term may use them (P6)."""
        return self.images_B[:, None] == self.key_images_S

    @property
    def own_head(self) -> tuple[Tensor, Tensor, Tensor]:
        """Own rows, prototypes, radii; ValueError in a stage that has no head of its own."""
        if self.own_CD is None or self.radius_C is None:
            raise ValueError("the stage has no head of its own, or no old vectors to measure radii of")
        return self.own_CD, self.prototypes_CD, self.radius_C

    @property
    def pair(self) -> tuple[Tensor, Tensor]:
        """Student and teacher vectors."""
        return self.query_BD, self.teacher_BD

    @property
    def keys(self) -> tuple[Tensor, Tensor]:
        """The keys and which of them are hidden from a row."""
        return self.keys_SD, self.same_image

    @property
    def classes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Labels of the batch, the keys, and their labels."""
        return self.labels_B, self.keys_SD, self.key_labels_S
