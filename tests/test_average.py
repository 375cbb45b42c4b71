"""Averaged weights, and the learning rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hetvs.training.average import Average
from hetvs.training.loop import learning_rate_factor


def test_the_average_follows_a_naive_loop() -> None:
    model = nn.Linear(1, 1, bias=False)
    average, expected = Average(model, 0.9), model.weight.item()
    for step in range(1, 40):
        with torch.no_grad():
            model.weight.fill_(step)
        average.update(model)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.model.get_parameter("weight").item() == pytest.approx(expected, rel=1e-5)


def test_the_learning_rate_rises_once_and_falls_once() -> None:
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(100)]
    peak = int(np.argmax(factors))
    assert max(factors) == 1.0
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[-1] < 0.01
