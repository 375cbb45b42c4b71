"""Other people's losses on our student: the term that a rival trains by, and a configuration that names it.

A rival is trained by `hetvs.training.student.train_student` itself: the same images, views, start, optimiser and
steps. Only `active_terms` differs, so that no setting of hetvs exists for a comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hetvs.config import StudentConfig
from hetvs.errors import ConfigError
from hetvs.losses import LOSSES, Term
from hetvs.losses.batch import Batch
from hetvs.settings import require_choice, setting

MSE, MULTI_SIMILARITY, NT_XENT = "mse", "multi_similarity", "nt_xent"
TEMPERATURE = 0.07  # of nt_xent; that of our context


def mse(batch: Batch, _settings: Any) -> Tensor:
    """Return the mean squared difference to the teacher's vectors."""
    return F.mse_loss(*batch.pair)


def multi_similarity(batch: Batch, _settings: Any) -> Tensor:
    """Return the multi-similarity loss of the student's vectors against the teacher's of the same batch, by class.

    An image without a label is a class of its own: its positive is the teacher's vector of the same crop.
    """
    from pytorch_metric_learning.losses import MultiSimilarityLoss

    labels_B = torch.where(batch.labels_B >= 0, batch.labels_B, -1 - batch.images_B)
    return _against_teacher(MultiSimilarityLoss(), batch, labels_B)


def nt_xent(batch: Batch, _settings: Any) -> Tensor:
    """Return NT-Xent of the student's vectors against the teacher's: the same image is the positive, others are not."""
    from pytorch_metric_learning.losses import NTXentLoss

    return _against_teacher(NTXentLoss(temperature=TEMPERATURE), batch, batch.images_B)


def _against_teacher(loss: Callable[..., Tensor], batch: Batch, labels_B: Tensor) -> Tensor:
    """Return a loss of pytorch-metric-learning between the two sides of a batch, as `ref_emb` has it.

    The labels are copied: of one tensor on both sides the library takes row i to be compared with itself, and drops
    the pair of a crop and its teacher's vector, the very one to learn.
    """
    return loss(batch.query_BD, labels_B, ref_emb=batch.teacher_BD, ref_labels=labels_B.clone())


RIVALS = {
    MSE: Term(loss=mse, paper="sentence-transformers, MSELoss; arXiv 2004.09813"),
    MULTI_SIMILARITY: Term(loss=multi_similarity, needs_labels=True, paper="CVPR 2019, pytorch-metric-learning"),
    NT_XENT: Term(loss=nt_xent, paper="SimCLR, arXiv 2002.05709, pytorch-metric-learning"),
}


@dataclass(frozen=True, kw_only=True)
class RivalConfig(StudentConfig):
    """A student that is trained by one other loss; the weights of our terms do not count."""

    loss: str = setting(MSE, "the loss", choices=tuple(RIVALS))

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("loss", self.loss, tuple(RIVALS))

    def active_terms(self) -> dict[str, float]:
        """Return the loss, and nothing beside it."""
        return {self.loss: 1.0}


def register_rivals() -> None:
    """Make the losses known to the trainer of this process; ConfigError where pytorch-metric-learning is missing."""
    if find_spec("pytorch_metric_learning") is None:
        raise ConfigError("a rival's loss needs pytorch-metric-learning; run: pip install 'hetvs[compare]'")
    LOSSES.update(RIVALS)
