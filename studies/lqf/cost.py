"""What K-FAC saves in steps, and what a step of the tangent network costs beside a plain one."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import torch

from hetvs.linear.cg import conjugate_gradients
from hetvs.linear.factors import gather_factors
from hetvs.linear.preconditioner import Preconditioner
from hetvs.linear.problem import Problem
from hetvs.linear.sgd import stochastic

TOLERANCE = 1e-3
MOST_STEPS = 200
MOST_PASSES = 40
TIMED = 7


def facts_of(problem: Problem) -> dict[str, object]:
    """Return steps, residuals and CPU seconds with and without K-FAC, the seconds of single steps, and peak memory."""
    net = problem.net
    started = time.process_time()
    kfac = Preconditioner(net, gather_factors(net, problem.prefix_n, seed=0, batch=64), problem.ridge)
    facts: dict[str, object] = {"factors_cpu_s": time.process_time() - started}
    for name, precondition in (("kfac", kfac), ("plain", torch.clone)):
        started = time.process_time()
        solution = conjugate_gradients(problem, precondition, tolerance=TOLERANCE, steps=MOST_STEPS)
        facts[f"{name}_steps"] = solution.steps
        facts[f"{name}_residual"] = solution.residuals[-1]
        facts[f"{name}_cpu_s"] = time.process_time() - started
        passes = stochastic(problem, precondition, tolerance=TOLERANCE, passes=MOST_PASSES, batch=64, seed=0)
        facts[f"{name}_sgd_passes"] = len(passes.residuals) - 1
        facts[f"{name}_sgd_residual"] = passes.residuals[-1]
    vector = torch.randn(net.size, dtype=torch.float64)
    facts["tangent_step_cpu_s"] = median(lambda: problem.hessian(vector))
    facts["plain_step_cpu_s"] = median(lambda: problem.back(problem.residual_nD))
    facts["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return facts


def median(call: Callable[[], object]) -> float:
    """Return the median CPU seconds of some calls, one untimed call before them."""
    seconds = []
    for _ in range(1 + TIMED):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return sorted(seconds[1:])[TIMED // 2]
