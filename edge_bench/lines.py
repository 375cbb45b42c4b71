"""Orders and answers of a child process: a line of JSON each, over its pipes."""

from __future__ import annotations

import json
import subprocess
from typing import Any


def exchange(process: subprocess.Popen[str], order: dict[str, Any]) -> dict[str, Any] | None:
    """Send an order and wait for its answer; None when the process has ended."""
    assert process.stdin is not None  # both are pipes
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        return None
    answer: dict[str, Any] | None = json.loads(line) if line else None
    return answer
