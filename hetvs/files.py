"""Files that are never half-written: atomic writes, digests, the rule for output folders."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hetvs.errors import ArtifactError, ConfigError


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on success fsync it and rename it to `path`.

    A reader sees the old file or the whole new one. Raises ArtifactError when the
    file system refuses (no space, no permission); the temporary file is removed.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101 - the file has no Path yet
        os.replace(temporary, path)  # noqa: PTH105
        temporary = None
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot write: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON from `path`; ArtifactError when it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not found") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: not readable as JSON: {error}") from error


def digest_bytes(*parts: bytes) -> str:
    """Return the sha256 of the parts, each preceded by its length, as 64 hex characters."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, as 64 hex characters."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """Return the sha256 of `value` as canonical JSON (sorted keys, no spaces)."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def refuse_non_empty(folder: Path, hint: str = "add --overwrite or choose another -o") -> None:
    """Raise ConfigError when `folder` is a file or holds anything."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file, not a folder; choose another -o")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: not empty; {hint}")


def claim_output(folder: Path, *, overwrite: bool = False, resume: bool = False) -> Path:
    """Return `folder`, made and ready to be written; a non-empty one must be asked for.

    `overwrite` empties it, `resume` keeps what is there, neither raises ConfigError.
    """
    if not (overwrite or resume):
        refuse_non_empty(folder, "add --resume, --overwrite or choose another -o")
    try:
        if overwrite and not resume and folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot create: {error.strerror}; choose another -o") from error
    return folder


@contextmanager
def new_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary sibling of `folder` to fill; on success it takes the place of `folder`.

    For artifacts of several files that must appear together (a bundle, a set of vectors).
    """
    if not overwrite:
        refuse_non_empty(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot write: {error.strerror}; choose another -o") from error
    replaced = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            folder.rename(replaced)  # not removed in place: a kill would leave half of it to be read
        temporary.rename(folder)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot write: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
