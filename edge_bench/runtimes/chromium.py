"""onnxruntime-web in headless Chromium: a page served on 127.0.0.1 that fetches its orders."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edge_bench.runtimes.programs import browser_program
from edge_bench.runtimes.web import SCRIPTS, Engine, WebRuntime
from edge_bench.runtimes.web_package import LIBRARY, WASM, unpacked
from hetvs.errors import ArtifactError

ANSWER_S = 600  # for one order; a block of a large model takes tens of seconds in WebAssembly
FLAGS = ("--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-extensions")
# With these headers a page is isolated, and its clock ticks in steps of 5 microseconds instead of 100.
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class _Server(ThreadingHTTPServer):
    """Serves the page, the library and the model (final); a POST is an answer, its response the next order."""

    daemon_threads = True

    def __init__(self, files: dict[str, tuple[Path, str]]) -> None:
        self.files = files
        self.orders: queue.Queue[bytes] = queue.Queue()
        self.answers: queue.Queue[bytes] = queue.Queue()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """One request (final)."""

    server: _Server

    def do_GET(self) -> None:
        """Send a file of the table."""
        path, kind = self.server.files.get(self.path, (None, ""))
        if path is None:
            self.send_error(404)
        else:
            self._send(path.read_bytes(), kind)

    def do_POST(self) -> None:
        """Take an answer, wait for an order."""
        self.server.answers.put(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(self.server.orders.get(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **ISOLATED}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: stderr is for last words."""


class Chromium(Engine):
    """A browser with one page (final)."""

    def __init__(self, model_path: Path) -> None:
        program = browser_program()
        if program is None:
            raise ArtifactError("chromium is not installed; `hetvs bench` says how to get it")
        self._version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
        script = "text/javascript"
        self._server = _Server(
            {
                "/": (SCRIPTS / "page.html", "text/html"),
                "/contender.mjs": (SCRIPTS / "contender.mjs", script),
                "/ort.mjs": (unpacked() / LIBRARY, script),
                "/ort.wasm": (unpacked() / WASM, "application/wasm"),
                "/model.onnx": (model_path, "application/octet-stream"),
            }
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._profile = Path(tempfile.mkdtemp(prefix="hetvs-chromium-"))
        self._process = _start(program, self._profile, f"http://127.0.0.1:{self._server.server_port}/")
        if not self._wait()["isolated"]:
            raise ArtifactError("chromium did not isolate the page; its clock is too coarse to time with")

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give the page an order and wait for its answer."""
        self._server.orders.put(json.dumps(order).encode())
        return self._wait()

    def facts(self) -> dict[str, str]:
        """Return name, provider and options of the runtime."""
        return {
            "runtime": "web-chromium",
            "provider": f"wasm in {self._version}",
            "options": "graph optimisation all, wall time only: a page cannot read CPU time",
        }

    def close(self) -> None:
        """End browser and server."""
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _wait(self) -> dict[str, Any]:
        """Return the next answer; ArtifactError when the browser is gone or says nothing."""
        for _ in range(ANSWER_S):
            try:
                answer: dict[str, Any] = json.loads(self._server.answers.get(timeout=1))
                return answer
            except queue.Empty:
                if self._process.poll() is not None:
                    raise ArtifactError(f"chromium ended with exit code {self._process.returncode}") from None
        raise ArtifactError(f"chromium gave no answer in {ANSWER_S} s")


def _start(program: str, profile: Path, address: str) -> subprocess.Popen[bytes]:
    """Start the browser; for root as the user nobody, since Chromium refuses to confine the pages of root."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    other: dict[str, Any] = {"user": "nobody", "extra_groups": []} if is_root else {}
    if is_root:
        shutil.chown(profile, "nobody")
    return subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
        **other,
    )


def load(model_path: Path, threads: int) -> WebRuntime:
    """Load a model in a page; ArtifactError when onnxruntime-web refuses it or the browser does not start."""
    return WebRuntime(Chromium(model_path), threads)
