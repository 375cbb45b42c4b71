"""bfloat16 where it helps: measured on this machine, with this model, before the first step."""

from __future__ import annotations

import time

import torch
from torch import nn

TRIALS = 3


def choose_amp(model: nn.Module, size_px: int, batch: int, device: str) -> str:
    """Return "bf16" when a forward and backward pass of `model` is faster in bfloat16 autocast, else "off".

    The best of three timed passes counts for each. Some CPUs compute bfloat16 in software, and
    depthwise convolutions gain nothing even where it is in hardware.
    """
    times = {
        name: min(_pass_s(model, size_px, batch, device, name) for _ in range(1 + TRIALS)) for name in ("off", "bf16")
    }
    model.zero_grad(set_to_none=True)
    return "bf16" if times["bf16"] < 0.95 * times["off"] else "off"


def autocast(device: str, amp: str) -> torch.autocast:
    """Return the autocast context of a resolved `amp` setting (off or bf16)."""
    return torch.autocast(device, torch.bfloat16, enabled=amp == "bf16")


def _pass_s(model: nn.Module, size_px: int, batch: int, device: str, amp: str) -> float:
    pixels = torch.zeros(batch, 3, size_px, size_px, dtype=torch.uint8, device=device)
    started = time.perf_counter()
    with autocast(device, amp):
        loss = model(pixels).sum()
    loss.backward()
    if device == "cuda":
        torch.cuda.synchronize()  # kernels run on after they were launched
    return time.perf_counter() - started
