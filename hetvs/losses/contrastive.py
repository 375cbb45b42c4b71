"""The asymmetric contrastive term: towards the teacher's vectors of a class, away from those of others."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-12  # squared distance below which two vectors push no longer: the root has no gradient at 0


def contrastive(
    query_BD: Tensor,
    teacher_BD: Tensor,
    labels_B: Tensor,
    keys_SD: Tensor,
    key_labels_S: Tensor,
    same_image_BS: Tensor,
    *,
    margin: float = 0.7,
    hardest: int = 10,
) -> Tensor:
    """Mean of 1/2 d^2 over positives plus mean of 1/2 max(0, m - d)^2 over the hardest negatives.

    d is the distance of a student vector to a teacher vector, all unit rows. Positives: the image's
    own teacher vector and the keys of its label; negatives: the nearest keys of other labels. Keys
    of the query's own image or of an unknown label (-1) are left out; a query of an unknown label
    has no term, and a batch without a known one gives 0.

    AML (Budnik and Avrithis, arXiv 2006.16331) with a bank of teacher vectors; means instead of its
    sums, so that the weight does not depend on the length of the queue.
    """
    known_B = labels_B >= 0
    visible_BS = ~same_image_BS & (key_labels_S >= 0)
    alike_BS = labels_B[:, None] == key_labels_S
    half_square_BS = 1 - query_BD @ keys_SD.T
    own_B = 1 - (query_BD * teacher_BD).sum(-1)
    positive_BS = visible_BS & alike_BS
    pull_B = (own_B + (half_square_BS * positive_BS).sum(1)) / (1 + positive_BS.sum(1))

    negative_BS = visible_BS & ~alike_BS
    nearest_first = half_square_BS.masked_fill(~negative_BS, torch.inf)
    near_BK = nearest_first.topk(min(hardest, len(keys_SD)), dim=1, largest=False).indices
    negative_BK = negative_BS.gather(1, near_BK)
    distance_BK = (2 * half_square_BS.gather(1, near_BK)).clamp(min=SMALLEST).sqrt()
    push_BK = (margin - distance_BK).clamp(min=0).square() / 2 * negative_BK
    push_B = push_BK.sum(1) / negative_BK.sum(1).clamp(min=1)
    return ((pull_B + push_B) * known_B).sum() / known_B.sum().clamp(min=1)
