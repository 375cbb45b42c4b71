"""The ranking difference: pairs of near keys that the student orders otherwise than the teacher."""

from __future__ import annotations

import torch
from torch import Tensor

from hetvs.losses.nearest import nearest

SOFTENING = 0.1  # keeps nearly tied pairs from dominating


def rank_difference(
    query_BD: Tensor,
    teacher_BD: Tensor,
    keys_SD: Tensor,
    same_image_BS: Tensor,
    *,
    neighbours: int = 9,
    swapped: float = 0.8,
    kept: float = 0.16,
) -> Tensor:
    """Mean over the batch of swapped * ||r on swapped pairs|| / k + kept * ||r on kept pairs|| / k.

    For each ordered pair u, v of the k keys nearest to g: ds = q.u - q.v, dt = g.u - g.v,
    r = (ds - dt) / (.1 + |dt|), swapped where ds * dt < 0, kept where ds * dt > 0; ties of the
    teacher (dt = 0) are in neither. Keys of the query's own image are left out and not counted in k.
    Zero at q = g, where a norm has a kink: its gradient there is taken as zero.

    D3still (CVPR 2024) with a term that does not change with the batch size: the ratio .8 : .16
    is its alpha : beta : gamma = 100 : 5 : 1 at B = 256, anchor 1.
    """
    near_BK, hidden_BK = nearest(teacher_BD, keys_SD, same_image_BS, neighbours)
    score_BK, target_BK = ((side_BD @ keys_SD.T).gather(1, near_BK) for side_BD in (query_BD, teacher_BD))
    ds_BKK = score_BK[:, :, None] - score_BK[:, None]
    dt_BKK = target_BK[:, :, None] - target_BK[:, None]
    seen_BKK = ~(hidden_BK[:, :, None] | hidden_BK[:, None])
    r_BKK = (ds_BKK - dt_BKK) / (SOFTENING + dt_BKK.abs()) * seen_BKK
    order_BKK = ds_BKK.detach() * dt_BKK
    swapped_B = torch.linalg.vector_norm(r_BKK * (order_BKK < 0), dim=(1, 2))
    kept_B = torch.linalg.vector_norm(r_BKK * (order_BKK > 0), dim=(1, 2))
    loss_B: Tensor = (swapped * swapped_B + kept * kept_B) / (~hidden_BK).sum(1).clamp(min=1)
    return loss_B.mean()
