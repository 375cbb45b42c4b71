"""The only epoch loop: stateless randomness, averaged weights, checkpoints that resume bit for bit.

Order, crops and noise of step t depend on (seed, t) alone, never on what ran before; so a killed
run that resumes from any checkpoint ends in the weights of the unkilled one (same seed, CPU, threads).
"""

from __future__ import annotations

import io
import math
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hetvs.config import LoopConfig
from hetvs.errors import ConfigError, HetvsError
from hetvs.files import write_bytes
from hetvs.models.storage import load_checkpoint
from hetvs.training import processes
from hetvs.training.average import Average
from hetvs.training.memory import keep_freed_memory
from hetvs.training.record import Record, forget_after

CHECKPOINT = Path("checkpoints", "last.pt")
LOG_EVERY_STEPS = 20


class Stage(ABC):
    """One training job as the loop sees it: a model, n images, the terms of a step's loss."""

    title: str
    model: nn.Module
    images: int

    @abstractmethod
    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the weighted terms of the loss for B positions in 0..n-1; their sum is minimised.

        A stage that several processes train takes its share of the B, and returns the terms of all of them.
        """

    @abstractmethod
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return metrics of the averaged model on the val split; empty when there is none."""

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold beside weights and optimiser (a queue)."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:  # noqa: B027 - most stages hold nothing
        """Take that state back."""


def prepare(config: LoopConfig) -> None:
    """Set threads, seed and allocator of this process, before a model is built."""
    processes.require_joined()
    torch.set_num_threads(config.threads or processes.cores())
    torch.manual_seed(config.seed)
    keep_freed_memory()


def train(stage: Stage, config: LoopConfig, folder: Path, *, resume: bool) -> nn.Module:
    """Train `stage.model`, with checkpoints in `folder`; return the averaged model, in eval mode.

    Of several processes the first alone writes and reads the val split, the others take the same steps.
    """
    run = _Run(stage, config, folder)
    if resume and (folder / CHECKPOINT).is_file():
        run.restore()
    if processes.is_first():
        _train_and_record(run, folder)
    else:
        while run.step < run.steps:
            run.one_step()
    return run.average.model


def _train_and_record(run: _Run, folder: Path) -> None:
    """Take every step that is left, and write metrics and checkpoints."""
    forget_after(folder, run.step)
    batch, stage = run.batch, run.stage
    with Record(folder, stage.title, run.steps * batch, run.step * batch) as record:
        started = saved = time.monotonic()
        first = run.step
        while run.step < run.steps:
            values = run.one_step()
            speed = (run.step - first) * batch / (time.monotonic() - started)
            record.advance(batch, speed, f"loss {values['loss']:.3f}")
            if run.step % LOG_EVERY_STEPS == 0 or run.step in (1, run.steps):
                record.write(run.step, {**values, "images_per_s": round(speed, 1)})
            if run.validation_is_due():
                record.write(run.step, stage.validate(run.average.model))
            if time.monotonic() - saved >= run.config.checkpoint_every or run.step == run.steps:
                run.save()
                saved = time.monotonic()


class _Run:
    """The state of a training in progress, and one step of it."""

    def __init__(self, stage: Stage, config: LoopConfig, folder: Path) -> None:
        self.stage, self.config, self.path = stage, config, folder / CHECKPOINT
        self.batch = min(config.batch_size, stage.images)
        if self.batch < processes.count():
            raise ConfigError(f"{processes.count()} processes share batches of {self.batch} images; start fewer")
        self.steps_per_epoch = stage.images // self.batch
        self.steps, self.step = self.steps_per_epoch * config.epochs, 0
        self.optimiser = torch.optim.AdamW(_groups(stage.model, config), fused=True)
        self.average = Average(stage.model, config.ema)

    def one_step(self) -> dict[str, float]:
        """Take one optimiser step; return loss, terms, learning rate and gradient norm."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        images = self._order(epoch)[position * self.batch : (position + 1) * self.batch]
        draw = self.step * processes.count() + processes.number()  # of dropout and the like: another in each process
        torch.manual_seed((self.config.seed << 32) + draw)
        self.stage.model.train()
        factor = learning_rate_factor(self.step, self.steps, self.config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak_lr"] * factor
        terms = self.stage.terms(images, epoch)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise HetvsError(f"step {self.step}: the loss is not finite; lower --lr (now {self.config.lr})")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.stage.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.average.update(self.stage.model)
        self.step += 1
        values = {name: round(term.item(), 6) for name, term in terms.items()}
        return {
            "loss": round(loss.item(), 6),
            **values,
            "lr": self.config.lr * factor,
            "grad_norm": round(norm.item(), 4),
        }

    def validation_is_due(self) -> bool:
        """Whether an epoch just ended after which the val split is read."""
        every = self.config.validate_every * self.steps_per_epoch
        return every > 0 and self.step % every == 0

    def save(self) -> None:
        """Write the checkpoint atomically."""
        buffer = io.BytesIO()
        torch.save(
            {
                "step": self.step,
                "model": self.stage.model.state_dict(),
                "average": self.average.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "stage": self.stage.state(),
            },
            buffer,
        )
        write_bytes(self.path, buffer.getvalue())

    def restore(self) -> None:
        """Go on from the checkpoint."""
        state: dict[str, Any] = load_checkpoint(self.path)
        self.stage.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.stage.load(state["stage"])
        self.step = self.average.updates = int(state["step"])

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.Generator(np.random.Philox(key=[self.config.seed, epoch])).permutation(self.stage.images)


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up over the share `warmup` of all steps, then a cosine to zero.

    >>> [round(learning_rate_factor(step, 10, 0.2), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    rising = round(steps * warmup)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _groups(model: nn.Module, config: LoopConfig) -> list[dict[str, Any]]:
    """Parameters by decay (norms, biases and prototypes have none) and by the trunk's own rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim > 1 and not name.startswith("head.") else 0.0
            rate = config.lr * (config.trunk_lr if ".trunk." in f".{name}" else 1.0)
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": p, "lr": rate, "peak_lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]
