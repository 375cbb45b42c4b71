"""One module per runtime, each run in a process of its own."""

from __future__ import annotations

from importlib import import_module

from edge_bench.runtimes.base import Runtime

RUNTIMES = {"onnxruntime": "edge_bench.runtimes.ort:OrtRuntime"}  # name -> "module:class", imported when used


def runtime_class(name: str) -> type[Runtime]:
    """Import the class of the runtime `name` (a key of RUNTIMES)."""
    module, attribute = RUNTIMES[name].split(":")
    found: type[Runtime] = getattr(import_module(module), attribute)
    return found
