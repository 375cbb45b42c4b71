from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from edge_bench.host import host_card, idlest_cores, peak_rss_bytes
from edge_bench.reference import SIZE, gemm


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")
def test_pinning_binds_every_thread_and_peak_memory_is_not_inherited() -> None:
    (core,) = idlest_cores(1, seconds=0.1)
    assert core in os.sched_getaffinity(0)
    code = (
        "import os, threading, psutil; from edge_bench.host import pin, peak_rss_bytes\n"
        "stop = threading.Event(); threading.Thread(target=stop.wait, daemon=True).start()\n"
        f"assert pin([{core}])\n"
        "print([sorted(os.sched_getaffinity(t.id)) for t in psutil.Process().threads()], peak_rss_bytes())"
    )
    ballast = np.ones(30_000_000)  # 240 MB in the parent
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    affinities, peak = out.rsplit(" ", 1)
    threads = json.loads(affinities)
    assert len(threads) >= 2  # a BLAS may have started more
    assert threads == [[core]] * len(threads)
    assert int(peak) < ballast.nbytes < (peak_rss_bytes() or 0)


def test_the_reference_kernel_is_a_fixed_product() -> None:
    first, second = np.array(gemm()()), np.array(gemm()())
    assert first.shape == (SIZE, SIZE)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)


def test_the_host_is_described_in_json() -> None:
    host = json.loads(json.dumps(host_card()))
    assert host["cpu"]
    assert host["cores"] >= 1
