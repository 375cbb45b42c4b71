"""Packages of the Debian archive as verified .deb files, fetched by `apt-get download`; nothing is installed."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from hetvs.datasets.packages import PinnedPackage, fetch_into
from hetvs.errors import DatasetError

TIMEOUT_S = 900


class Package(PinnedPackage):
    """One Debian package for all architectures; its file is the .deb."""

    @property
    def file_name(self) -> str:
        """The name that `apt-get download` gives to the .deb.

        >>> Package("fonts-kiloji", "1:2.1.0-25", "").file_name
        'fonts-kiloji_1%3a2.1.0-25_all.deb'
        """
        return f"{self.name}_{self.version.replace(':', '%3a')}_all.deb"


def fetch_packages(packages: Sequence[Package], cache: Path) -> list[Path]:
    """Return the verified .deb files of `packages`, in order; what the cache lacks is fetched in one call.

    Raises DatasetError when apt-get is missing or fails, and for a checksum that differs.
    """
    return fetch_into(cache, packages, _download)


def read_files(deb: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the files `names` (paths without the leading slash) of a .deb, read in memory.

    Raises DatasetError when dpkg-deb is missing, or `deb` is no package that holds them.
    """
    tar = _run("dpkg-deb", ["--fsys-tarfile", str(deb)], deb.parent, f"{deb}: delete it and fetch again")
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = {member.name.removeprefix("./"): member for member in archive if member.isfile()}
        absent = [name for name in names if name not in members]
        if absent:
            raise DatasetError(f"{deb}: holds no {absent[0]}; this is not the package that hetvs was built on")
        streams = {name: archive.extractfile(members[name]) for name in names}
        return {name: stream.read() for name, stream in streams.items() if stream}


def _download(packages: Sequence[Package], folder: Path) -> None:
    """Fetch the pinned versions into `folder`."""
    wanted = [f"{package.name}={package.version}" for package in packages]
    hint = "run `apt-get update` and try again (the versions are those of Debian 12)"
    _run("apt-get", ["download", "--quiet", *wanted], folder, hint)


def _run(tool: str, arguments: list[str], folder: Path, hint: str) -> bytes:
    """Return the standard output of a tool of Debian; DatasetError with its first error and `hint`."""
    program = shutil.which(tool)
    if program is None:
        raise DatasetError(f"{tool} is not installed; the set's files come as Debian packages: fetch them on Debian 12")
    try:
        done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise DatasetError(f"{tool} took more than {TIMEOUT_S} s; check the network and try again") from None
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if not line.startswith("W:")]
        reason = lines[0] if lines else f"exit code {done.returncode}"
        raise DatasetError(f"{tool} failed: {reason}; {hint}")
    return done.stdout
