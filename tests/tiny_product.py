"""The study of products for tests: its commands, and all of its jobs."""

from __future__ import annotations

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
