"""What `edge_bench` adds to the time it measures: its blocks against a bare ONNX Runtime loop.

    python -m studies.bench_overhead BUNDLE

Prints the difference in percent and writes runs/overhead.json. A benchmark, not a test: one process pinned
to one core, one session, and the two loops take turns, so that a busy host hurts neither; the median over
the rounds of the ratio of CPU times counts, with its 95 % interval.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import click
import numpy as np
import onnxruntime

from edge_bench.guard import median_interval
from edge_bench.host import host_card, idlest_cores, pin
from edge_bench.measure import runs_per_call
from edge_bench.runtimes.ort import OrtRuntime
from hetvs.artifacts import EdgeBundle
from hetvs.files import write_json

ROUNDS, CALLS = 60, 10


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("runs/overhead.json"))
def main(folder: Path, output: Path) -> None:
    """Time both loops on the bundle in FOLDER."""
    bundle = EdgeBundle.load(folder)
    runtime = OrtRuntime(bundle.model_path, threads=1)
    pin(idlest_cores(1))
    pixels = bundle.golden_pixels
    inner = runs_per_call(round(bare(runtime.session, pixels, 20) * 1e9 / 20), 1)
    ratios = []
    for turn in range(1 + ROUNDS):
        runs = inner * CALLS
        if turn % 2:
            ours_s, bare_s = ours(runtime, pixels, inner), bare(runtime.session, pixels, runs)
        else:
            bare_s, ours_s = bare(runtime.session, pixels, runs), ours(runtime, pixels, inner)
        if turn:  # the first warms up
            ratios.append(ours_s / bare_s)
    found = median_interval(ratios)
    overhead = {key: value - 1 for key, value in found._asdict().items()}
    write_json(output, {"bundle": str(folder), "runs_per_call": inner, **overhead, "host": host_card()})
    shown = ", ".join(f"{100 * value:+.2f}" for value in (overhead["low"], overhead["high"]))
    click.echo(f"edge_bench adds {100 * overhead['median']:+.2f} % [{shown}] of CPU time to a bare loop; {output}")


def ours(runtime: OrtRuntime, pixels_BHWC: np.ndarray, inner: int) -> float:
    """Return the CPU seconds that `edge_bench` reports for a block, its clocks and samples included."""
    return sum(runtime.block(pixels_BHWC, warmup=1, calls=CALLS, inner=inner).cpu_ns) / 1e9


def bare(session: onnxruntime.InferenceSession, pixels_BHWC: np.ndarray, runs: int) -> float:
    """Return the CPU seconds of as many runs in the shortest loop over the same images."""
    name = session.get_inputs()[0].name
    feeds = itertools.cycle([{name: image[None]} for image in pixels_BHWC])
    started = time.process_time()
    for feed in itertools.islice(feeds, runs):
        session.run(None, feed)
    return time.process_time() - started


if __name__ == "__main__":
    main()
