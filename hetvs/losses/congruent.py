"""What holds a new classifier to the logits of others, image by image: distances, and whom they count for.

Positive-congruent training (PCT, Yan et al., CVPR 2021, arXiv 2011.09161) and ELODI (Zhao et al., arXiv 2205.06265).
A reference is frozen: no distance has a gradient in it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def logit_divergence(new_BC: Tensor, reference_BC: Tensor, *, temperature: float) -> Tensor:
    """Return tau^2 * KL(softmax(reference / tau) || softmax(new / tau)) of each image (B,): FD-KL of PCT.

    With tau^2 it tends, for large tau, to the half mean square of the centred difference; without, to nothing.

    >>> logit_divergence(torch.tensor([[1.0, 2, 0]]).double(), torch.tensor([[2.0, 1, 0]]).double(), temperature=100)
    tensor([0.3350], dtype=torch.float64)
    """
    wanted_BC = F.log_softmax(reference_BC.detach() / temperature, dim=1)
    found_BC = F.log_softmax(new_BC / temperature, dim=1)
    return temperature**2 * (wanted_BC.exp() * (wanted_BC - found_BC)).sum(dim=1)


def logit_difference(new_BC: Tensor, reference_BC: Tensor) -> Tensor:
    """Return half the mean square of the difference over the classes, of each image (B,): FD-LM of PCT.

    Not centred: a shift of all logits by c costs c^2 / 2, though it changes no answer.

    >>> logit_difference(torch.tensor([[1.0, 2, 0]]), torch.tensor([[2.0, 1, 0]]))
    tensor([0.3333])
    """
    return (new_BC - reference_BC.detach()).square().mean(dim=1) / 2


def logit_inhibition(
    new_BC: Tensor,
    reference_BC: Tensor,
    *,
    slack: float = 0.0,
    power: float = 2.0,
    top: int = 0,
    hidden_B: Tensor | None = None,
) -> Tensor:
    """Return the mean of max(0, |new - reference| - slack)^power over the `top` classes, of each image (B,).

    LDI of ELODI; the top is by the reference's logits of the image, 0 takes every class. `hidden_B` names a class of
    each image that is left out before. Published details of the top are uncertain; this is our specification.

    >>> new, reference = torch.tensor([[3, 1, 0.2, -1]]), torch.tensor([[2, 1.4, 0, -1.1]])
    >>> logit_inhibition(new, reference, slack=0.5), logit_inhibition(new, reference, top=2)
    (tensor([0.0625]), tensor([0.5800]))
    """
    reference_BC = reference_BC.detach()
    excess_BC = ((new_BC - reference_BC).abs() - slack).clamp(min=0) ** power
    order_BC = reference_BC
    if hidden_B is not None:
        order_BC = reference_BC.scatter(1, hidden_B[:, None], -torch.inf)
    classes = reference_BC.shape[1] - (hidden_B is not None)
    kept_BK = order_BC.topk(min(top or classes, classes), dim=1).indices
    return excess_BC.gather(1, kept_BK).mean(dim=1)


def focus_weights(rule: str, old_right_B: Tensor, new_right_B: Tensor, *, alpha: float, beta: float) -> Tensor:
    """Return alpha + beta where the rule holds, alpha elsewhere (B,); both sides are boolean.

    The rules: "right", the old model is right (PCT's focal distillation); "flip", it is right and the new one wrong;
    "wrong", the new one is wrong; "all". Beta 0 is plain distillation. ValueError for another rule.

    >>> focus_weights("right", torch.tensor([True, False]), torch.tensor([True, True]), alpha=1, beta=5)
    tensor([6., 1.])
    """
    in_focus = {
        "right": old_right_B,
        "flip": old_right_B & ~new_right_B,
        "wrong": ~new_right_B,
        "all": torch.ones_like(old_right_B),
    }
    if rule not in in_focus:
        raise ValueError(f"focus {rule!r} is none of {', '.join(in_focus)}")
    return alpha + beta * in_focus[rule].float()


def mean_over_known(values_B: Tensor, known_B: Tensor) -> Tensor:
    """Return the mean of the values whose `known_B` is True; 0, with a gradient of 0, where none is.

    >>> mean_over_known(torch.tensor([2.0, 9.0]), torch.tensor([True, False]))
    tensor(2.)
    """
    return values_B.where(known_B, 0).sum() / known_B.sum().clamp(min=1)
