"""Averaged weights, batch-norm statistics that fit them, and the learning rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hetvs.training.average import Average, recalibrate_batch_norm
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


def test_recalibration_gives_the_plain_mean_and_doing_it_twice_changes_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    batches = [torch.randn(32, 3) * 2 + 1 for _ in range(4)]
    recalibrate_batch_norm(model, batches)
    mean = model[0].get_buffer("running_mean").clone()
    assert torch.allclose(mean, torch.stack([b.mean(0) for b in batches]).mean(0), atol=1e-6)
    recalibrate_batch_norm(model, batches)
    assert torch.equal(model[0].get_buffer("running_mean"), mean)
    assert not any(module.training for module in model.modules())


def test_the_learning_rate_rises_once_and_falls_once() -> None:
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(100)]
    peak = int(np.argmax(factors))
    assert max(factors) == 1.0
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[-1] < 0.01
