"""Keep freed memory between steps.

glibc gives large blocks back to the system at once and asks for them again in the next step; the
page faults cost a third of a ResNet-18 step on two cores (measured, see docs/decisions.md).
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep what is freed; False where there is no glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    limits = ((M_MMAP_THRESHOLD, 1 << 30), (M_TRIM_THRESHOLD, (1 << 31) - 1), (M_TOP_PAD, 256 << 20))
    return all(mallopt(name, value) == 1 for name, value in limits)
