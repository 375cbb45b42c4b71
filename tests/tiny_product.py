"""The study of products for tests: its commands, and all of its jobs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hetvs.cli import main as hetvs
from studies import columns, product_pair, product_prefixes, product_rival, product_speed, product_vectors
from studies.product.page import PARTS
from studies.product.plan import ProductPlanner
from studies.shared.jobs import Job, with_needs

PROGRAMS = {
    "studies.columns": columns.main,
    "studies.product_pair": product_pair.main,
    "studies.product_prefixes": product_prefixes.main,
    "studies.product_rival": product_rival.main,
    "studies.product_speed": product_speed.main,
    "studies.product_vectors": product_vectors.main,
}


def jobs_of(planner: ProductPlanner) -> list[Job]:
    return with_needs(job for part in PARTS for job in part.jobs(planner))


def command_of(words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """Return the command of a job and its arguments; what torchrun starts is taken as one process."""
    words = list(words)
    if "torch.distributed.run" in words:
        words = words[words.index("hetvs") :]
    return (hetvs, words[1:]) if words[0] == "hetvs" else (PROGRAMS[words[2]], words[3:])
