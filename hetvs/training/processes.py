"""The processes of one training, as torchrun starts them: who I am, who goes first, which share of a batch is mine.

Without torchrun there is one process, the first, and nothing here does anything. Several share a folder
(on several machines a shared file system); the first alone writes runs and speaks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from hetvs.errors import ConfigError

# One process waits for another that reads the val split or fits a projection; of a dead one torchrun tells at once.
PATIENCE = timedelta(hours=2)


def count() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def number() -> int:
    """Return the number of this process, 0..count() - 1."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this process writes the run."""
    return number() == 0


def wait_for_all() -> None:
    """Return when every process is here."""
    if dist.is_initialized():
        dist.barrier()


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the other processes that torchrun has started, for as long as the context lasts.

    All but the first are silent on stderr; what they raise is heard. Raises ConfigError where a process finds no GPU.
    """
    if _started() == 1:
        yield
        return
    if device == "cuda":
        _take_gpu(int(os.environ["LOCAL_RANK"]))
    store, rank, world_size = next(rendezvous("env://"))
    # torchrun keeps its store over a restart: without a prefix a process may read where a dead one listened, and wait.
    store = PrefixStore(f"start {_restarts()}", store)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=PATIENCE)
    try:
        with nullcontext() if is_first() else _silence():
            yield
    finally:
        dist.destroy_process_group()


def require_joined() -> None:
    """Raise ConfigError when torchrun has started several processes of a command that trains in one."""
    if _started() > count():
        raise ConfigError(f"only train-student takes several processes, torchrun started {_started()}; start one")


@contextmanager
def first_then_others() -> Iterator[None]:
    """Let the first process do something that the others then find done."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


def is_restart() -> bool:
    """Whether torchrun started this process again, after one of them had died."""
    return _restarts() > 0


def cores() -> int:
    """Return the cores that a process may take: those of the machine, divided among its processes."""
    return max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def share_of(images: int) -> slice:
    """Return the part of a batch that is this process's: consecutive ones, one more in the earlier processes."""
    return part(images, number(), count())


def largest_share(images: int) -> int:
    """Return how many images of a batch a process takes at most."""
    return -(-images // count())


def part(total: int, place: int, parts: int) -> slice:
    """Return consecutive part `place` of 0..total - 1; the first ones are larger by one where it does not divide.

    >>> [part(7, place, 3) for place in range(3)]
    [slice(0, 3, None), slice(3, 5, None), slice(5, 7, None)]
    """
    size, larger = divmod(total, parts)
    start = place * size + min(place, larger)
    return slice(start, start + size + (place < larger))


def _started() -> int:
    """Return how many processes torchrun has started; 1 without it, whatever a cluster calls its size."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "RANK" in os.environ else 1


def _restarts() -> int:
    """Return how often torchrun has started its processes again, after one of them died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


@contextmanager
def _silence() -> Iterator[None]:
    """Send what is written to stderr nowhere: one progress bar is enough."""
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield


def _take_gpu(place: int) -> None:
    """Make "cuda" mean the GPU of this process."""
    if place >= torch.cuda.device_count():
        raise ConfigError(
            f"process {place + 1} of this machine needs a GPU of its own, there are {torch.cuda.device_count()}; "
            "start fewer processes (--nproc_per_node), or train on the CPU"
        )
    torch.cuda.set_device(place)
