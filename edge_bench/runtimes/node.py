"""onnxruntime-web in Node: WebAssembly with clocks of wall and CPU time."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from edge_bench.lines import exchange
from edge_bench.runtimes.programs import node_program
from edge_bench.runtimes.web import SCRIPTS, Engine, WebRuntime
from edge_bench.runtimes.web_package import LIBRARY, unpacked
from hetvs.errors import ArtifactError


class Node(Engine):
    """A Node process (final): orders and answers are lines of JSON."""

    def __init__(self, model_path: Path) -> None:
        program = node_program()
        if program is None:
            raise ArtifactError("node is not installed; `hetvs bench` says how to get it")
        self._version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
        self._process = subprocess.Popen(
            [program, SCRIPTS / "node.mjs", unpacked() / LIBRARY, model_path.resolve()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Send an order and wait for its answer."""
        answer = exchange(self._process, order)
        if answer is None:
            raise ArtifactError(f"node ended with exit code {self._process.wait(timeout=10)}")
        return answer

    def facts(self) -> dict[str, str]:
        """Return name, provider and options of the runtime."""
        return {
            "runtime": "web-node",
            "provider": f"wasm in Node {self._version}",
            "options": "graph optimisation all, CPU time by process.cpuUsage",
        }

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def load(model_path: Path, threads: int) -> WebRuntime:
    """Load a model in Node; ArtifactError when onnxruntime-web refuses it."""
    return WebRuntime(Node(model_path), threads)
