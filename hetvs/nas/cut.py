"""What a smaller network takes of a larger one's tensor."""

from __future__ import annotations

import torch
from torch import Tensor


def cut(tensor: Tensor, shape: torch.Size) -> Tensor:
    """Return the leading channels (dimensions 0 and 1) and the centre of the kernel (2 and 3), as a view.

    >>> cut(torch.arange(10).view(2, 5), torch.Size([1, 3]))
    tensor([[0, 1, 2]])
    """
    for dimension, (held, asked) in enumerate(zip(tensor.shape, shape, strict=True)):
        if held != asked:
            tensor = tensor.narrow(dimension, (held - asked) // 2 if dimension > 1 else 0, asked)
    return tensor
