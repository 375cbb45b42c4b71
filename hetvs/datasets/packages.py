"""Pinned packages of a registry: fetched once by its own client, verified, kept in a cache folder."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hetvs.errors import DatasetError
from hetvs.files import digest_file


@dataclass(frozen=True)
class PinnedPackage(ABC):
    """One version in a registry (abstract); `sha256` is that of the file `file_name`, 64 hex characters."""

    name: str
    version: str
    sha256: str

    @property
    @abstractmethod
    def file_name(self) -> str:
        """The name that the registry's client gives to the file."""


P = TypeVar("P", bound=PinnedPackage)


def cache_folder() -> Path:
    """Return where fetched packages are kept: $HETVS_CACHE, else ~/.cache/hetvs."""
    return Path(os.environ.get("HETVS_CACHE") or Path.home() / ".cache" / "hetvs")


def fetch_into(cache: Path, packages: Sequence[P], download: Callable[[Sequence[P], Path], None]) -> list[Path]:
    """Return the verified files of `packages`, in order; what the cache lacks comes from one call of `download`.

    `download` puts files into a folder of its own, so that a broken one never has the name of a whole one.
    Raises DatasetError when the cache cannot be written, and for a checksum that differs.
    """
    missing = [package for package in packages if not (cache / package.file_name).is_file()]
    if missing:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetch.", dir=cache) as folder:
                download(missing, Path(folder))
                for package in missing:
                    (Path(folder) / package.file_name).replace(cache / package.file_name)
        except OSError as error:
            raise DatasetError(f"{cache}: cannot store packages: {error}; set HETVS_CACHE to another folder") from error
    for package in packages:
        _verify(cache / package.file_name, package)
    return [cache / package.file_name for package in packages]


def _verify(path: Path, package: PinnedPackage) -> None:
    """Raise DatasetError unless the file is, byte for byte, the one that was pinned."""
    got = digest_file(path)
    if got != package.sha256:
        raise DatasetError(
            f"{path}: sha256 is {got}, expected {package.sha256}; delete the file and fetch again "
            f"(if it stays so, {package.name} {package.version} is not what hetvs was built on)"
        )
