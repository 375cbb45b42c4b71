"""From files to a finished search: supernet, cloud model and images are opened, workers started, candidates judged."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np
import torch

from hetvs.artifacts import ModelCard, require_same_space
from hetvs.config import SearchConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError, HetvsError
from hetvs.files import digest_file, digest_json
from hetvs.manifest import Manifest, read_manifest
from hetvs.nas.breeding import Breeder
from hetvs.nas.candidate import Candidate
from hetvs.nas.costs import Pricing
from hetvs.nas.history import History
from hetvs.nas.judge import Judge, gather
from hetvs.nas.latency import LatencyTable
from hetvs.nas.rewards import Int8, Rewards
from hetvs.nas.samplers import FrontEvolution, PublishedEvolution
from hetvs.nas.search import Judges, Plan, Progress, work
from hetvs.nas.space import Space
from hetvs.nas.storage import load_supernet
from hetvs.training.memory import keep_freed_memory

HISTORY = "search.log"
# What may be another when a search is resumed.
FREE_TO_CHANGE = ("candidates", "workers", "export", "refit", "split", "supernet_config", "latency_table")
PARENT_GONE = 3  # exit code of a worker whose search was killed


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker process needs in order to join a search; it can be pickled, and so can `int8`."""

    data: Path
    teacher: Path
    supernet: Path
    output: Path
    config: SearchConfig
    int8: Int8 | None = None


@dataclass(frozen=True)
class Desk:
    """An opened search: its past, its plan, and the judge of a process."""

    history: History
    plan: Plan
    judge: Judge
    judges: Judges
    card: ModelCard

    @classmethod
    def open(cls, order: Order) -> Desk:
        """Load what `order` names and let the cloud model embed the val images.

        Raises ConfigError for a supernet of another mode or a search begun with other settings, ArtifactError
        for a teacher of another space.
        """
        torch.set_num_threads(1)
        keep_freed_memory()  # both: a judgement takes half the time
        supernet, card = load_supernet(order.supernet)
        mode = card.training["mode"]
        if mode != order.config.mode:
            raise ConfigError(f"{order.supernet}: is {mode}, the search is {order.config.mode}; set --mode {mode}")
        manifest, teacher = read_manifest(order.data), open_encoder(order.teacher, threads=1)
        require_same_space(card.space, teacher.card.space, str(order.supernet), str(order.teacher))
        evidence = gather(manifest, card.training["rows"], supernet.space.sizes, teacher)
        judge, plan = Judge(supernet, evidence), plan_of(order.config, supernet.space, card.dim)
        rewards = Rewards(
            judge=judge,
            reward=order.config.reward,
            space=card.space,
            family=_family(order.config, card, judge),
            int8=order.int8,
        )
        history = _history(order, plan, card, manifest)
        return cls(history, plan, judge, Judges(rewards.quick, rewards.full), card)


def search(order: Order, heard: Callable[[Progress], None]) -> tuple[list[Candidate], Desk]:
    """Search with `config.workers` processes, this one among them; return every candidate."""
    desk = Desk.open(order)
    desk.history.fail_the_dead()
    with _workers(order):
        work(desk.history, desk.plan, desk.judges, heard)
    if desk.history.fail_the_dead():
        work(desk.history, desk.plan, desk.judges, heard)
    return desk.history.candidates(), desk


def plan_of(config: SearchConfig, space: Space, dim: int) -> Plan:
    """Return the plan of a search in `space`, with the latency table it names."""
    table = LatencyTable.load(Path(config.latency_table)) if config.latency_table else None
    pricing = Pricing(dim=dim, table=table, precision="int8" if config.reward == "R7" else "fp32")
    return Plan.of(space, pricing, config, faithful=config.mode == "faithful")


def _history(order: Order, plan: Plan, card: ModelCard, manifest: Manifest) -> History:
    """Open the file of the search by what must not change between two goes."""
    config = order.config
    breeder = Breeder(plan.space, plan.allowed)
    front = config.mode == "anchored"
    sampler = FrontEvolution(breeder, config.seed) if front else PublishedEvolution(breeder, config.seed)
    identity = {name: value for name, value in asdict(config).items() if name not in FREE_TO_CHANGE}
    identity |= {
        "supernet": card.weights_digest,
        "images": digest_json(manifest.ids.tolist()),
        "latency": digest_file(Path(config.latency_table)) if config.latency_table else "",
    }
    return History.open(order.output / HISTORY, sampler, identity, by_cost=front)


def _family(config: SearchConfig, card: ModelCard, judge: Judge) -> dict[str, np.ndarray]:
    """Return the val vectors of the models that the candidate shall live with."""
    found = {}
    for path in filter(None, (part.strip() for part in config.family.split(","))):
        encoder = open_encoder(Path(path), threads=1)
        require_same_space(encoder.card.space, card.space, path, "the supernet")
        found[path] = judge.evidence.validation.encoded(encoder)
    return found


@contextmanager
def _workers(order: Order) -> Iterator[None]:
    """Run the other workers meanwhile, and wait for their last candidate; HetvsError when one failed."""
    context = multiprocessing.get_context("spawn")
    started: list[SpawnProcess] = []
    try:
        for _ in range(order.config.workers - 1):
            started.append(context.Process(target=assist, args=(order,), daemon=True))
            started[-1].start()
        yield
        for process in started:
            process.join()
    finally:
        for process in started:
            process.kill()
    failed = [process.exitcode for process in started if process.exitcode not in (0, None)]
    if failed:
        raise HetvsError(f"{len(failed)} worker(s) of the search ended with {failed}; see above, then add --resume")


def assist(order: Order) -> None:
    """Be a worker: share the search until it is done, or until the process that started it is gone."""
    parent = multiprocessing.parent_process()

    def leave_with_parent(progress: Progress) -> None:
        if parent is not None and not parent.is_alive():
            raise SystemExit(PARENT_GONE)

    desk = Desk.open(order)
    work(desk.history, desk.plan, desk.judges, leave_with_parent)
