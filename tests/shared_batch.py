"""Steps of a small net on batches, as the processes of a training share them: run as a script by each of them.

`python shared_batch.py OUTPUT`, with the variables that torchrun sets, writes what `steps` returns.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hetvs.training.processes import joined, number, share_of
from hetvs.training.whole_batch import gathered, replicated, whole_batch_norm

IMAGES, DIM, STEPS = 7, 4, 5  # an odd number of images: shares differ in size


def steps() -> dict[str, Tensor]:
    """Return the vectors and gradients of the last step, weights and running statistics after it.

    In float64, so that nothing but rounding in the last digits may differ.
    """
    torch.manual_seed(0)
    norms = nn.BatchNorm2d(8), nn.BatchNorm2d(8, affine=False), nn.BatchNorm1d(DIM)
    trunk = [nn.Conv2d(3, 8, 3), norms[0], nn.ReLU(), nn.Conv2d(8, 8, 1), norms[1]]
    net = nn.Sequential(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, DIM), norms[2]).double()
    labels = torch.tensor([0, 1, 0, -1, 2, 1, 0])
    # SGD: AdamW would turn the rounding of a gradient that is zero into a step.
    replica, optimiser = replicated(net), torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(STEPS):
        pixels = torch.randn(IMAGES, 3, 6, 6).double()
        with whole_batch_norm():
            rows = replica(pixels[share_of(IMAGES)])
        whole = gathered(rows, IMAGES)
        # A mean over some rows and a term of pairs: no mean of the processes' own losses.
        loss = nn.functional.cross_entropy(whole, labels, ignore_index=-1) + (whole @ whole.T).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    gradients = {f"gradient of {name}": p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {"vectors": whole.detach(), **gradients, **net.state_dict()}


if __name__ == "__main__":
    with joined("cpu"):
        save_file(steps(), Path(sys.argv[1]) / f"{number()}.safetensors")
