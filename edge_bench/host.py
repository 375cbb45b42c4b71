"""Where a figure was measured: CPU, load, kernel, versions; and the pinning of a process to cores."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import psutil

FLAGS = ("avx", "avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "amx_tile", "asimd", "asimddp", "i8mm", "sve")


def host_card() -> dict[str, Any]:
    """Return what a reader needs in order to judge the figures, as JSON values."""
    cpuinfo = _read(Path("/proc/cpuinfo"))
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", cpuinfo, re.MULTILINE)
    present = set(flags.group(1).split()) if flags else set()
    return {
        "cpu": model.group(1).strip() if model else platform.processor() or platform.machine(),
        "machine": platform.machine(),
        "flags": [flag for flag in FLAGS if flag in present],
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def idlest_cores(count: int, seconds: float = 0.3) -> list[int]:
    """Return the `count` cores that did least in the last `seconds`, of those this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    busy = psutil.cpu_percent(interval=seconds, percpu=True)
    return sorted(sorted(allowed, key=lambda core: busy[core] if core < len(busy) else 0.0)[:count])


def pin(cores: list[int]) -> bool:
    """Pin every thread of this process and of its children to `cores`; False where the system cannot (macOS, Windows).

    Called after the runtime has made its threads: affinity is a property of a thread on Linux, and
    a pool made later would not have it.
    """
    if not hasattr(os, "sched_setaffinity"):
        return False
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):  # a browser's come and go
            for thread in process.threads():
                os.sched_setaffinity(thread.id, cores)
    return True


def peak_rss_bytes(process: int | str = "self") -> int | None:
    """Return the largest resident size of a process so far, of this one by default; None but on Linux.

    Read from /proc and not from getrusage, whose figure a child inherits from its parent.
    """
    peak = re.search(r"^VmHWM:\s+(\d+) kB", _read(Path(f"/proc/{process}/status")), re.MULTILINE)
    return int(peak.group(1)) * 1024 if peak else None


def peak_rss_of_children() -> int | None:
    """Return the sum of the peaks of the processes below this one; None but on Linux."""
    peaks = [peak_rss_bytes(child.pid) for child in psutil.Process().children(recursive=True)]
    return sum(filter(None, peaks)) or None


def _read(path: Path) -> str:
    """Return the text of a file of the system, empty where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
