"""A search whose judge is a formula: `python tests/toy_search.py FILE MODE CANDIDATES DIES_AT`.

Not a test: tests/test_nas_search.py starts it as a worker, and lets one die.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from hetvs.nas.breeding import Breeder
from hetvs.nas.costs import Budget, Pricing
from hetvs.nas.history import History
from hetvs.nas.samplers import FrontEvolution, PublishedEvolution
from hetvs.nas.search import Judges, Plan, work
from hetvs.nas.space import SPACES, Architecture

DIM = 16
MOST = 6e6


def score(arch: Architecture) -> dict[str, float]:
    """Return more for larger networks, and for kernels of 5: a front that mutation has to find."""
    blocks = [block for stage in arch.stages for block in stage]
    fives = sum(block.op == "dw5" for block in blocks) / len(blocks)
    size = Pricing(dim=DIM).costs(arch).macs / MOST
    return {"R2": 0.6 * size**0.3 + 0.3 * fives, "cosine": 0.5 * fives}


def toy(path: Path, mode: str, candidates: int, *, seed: int = 0, screened: float = 0.5) -> tuple[History, Plan]:
    """Open a search; `mode` is front or published."""
    plan = Plan(
        space=SPACES["hetvs-s"],
        pricing=Pricing(dim=DIM),
        budget=Budget(macs=MOST),
        reward="R2",
        candidates=candidates,
        screened=1.0 if mode == "published" else screened,
    )
    breeder = Breeder(plan.space, plan.allowed)
    sampler = FrontEvolution(breeder, seed, 20) if mode == "front" else PublishedEvolution(breeder, seed)
    return History.open(path, sampler, {"seed": seed}, by_cost=mode == "front"), plan


def main(path: Path, mode: str, candidates: int, dies_at: int) -> None:
    """Search; die without a word while candidate `dies_at` is judged (-1: never)."""
    history, plan = toy(path, mode, candidates)
    history.fail_the_dead()

    def full(arch: Architecture) -> dict[str, float]:
        if history.count() == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return score(arch)

    work(history, plan, Judges(quick=score, full=full), lambda progress: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
