"""Images inside tar files: a path that leads through `NAME.tar` names a member of it, which is read in place.

A tar may have its index beside it, `NAME.tar.json`: where each member's bytes are. One without an index, of
another's making, is read through once. Any order of reading costs the same, so that batches are those of loose files.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO

from hetvs.errors import ArtifactError
from hetvs.files import digest_file, read_json, write_json

TAR = ".tar"
Span = tuple[int, int]  # first byte and number of bytes


def open_image(path: Path) -> IO[bytes]:
    """Open a file, or a member of a tar; FileNotFoundError where there is none."""
    shard = shard_of(path)
    if shard is None:
        return path.open("rb")
    start, size = _span(shard, path)
    with shard.open("rb") as stream:
        stream.seek(start)
        return io.BytesIO(stream.read(size))


def image_bytes(path: Path) -> int:
    """Return the size of a file or a member; FileNotFoundError where there is none."""
    shard = shard_of(path)
    return path.stat().st_size if shard is None else _span(shard, path)[1]


def image_digest(path: Path) -> str:
    """Return the sha256 of the bytes of a file or a member, as 64 hex characters."""
    return digest_file(path) if shard_of(path) is None else hashlib.sha256(open_image(path).read()).hexdigest()


def shard_of(path: Path) -> Path | None:
    """Return the tar file that `path` leads through, None for a loose file."""
    return next((above for above in path.parents if above.suffix == TAR and above.is_file()), None)


def write_index(shard: Path) -> None:
    """Write the index of a tar beside it."""
    write_json(_index_file(shard), {"bytes": shard.stat().st_size, "members": _scan(shard)})


def _span(shard: Path, path: Path) -> Span:
    """Return where the bytes of a member are."""
    name = path.relative_to(shard).as_posix()
    spans = _spans(shard)
    if name not in spans:
        raise FileNotFoundError(2, "not in the tar", str(path))
    return spans[name]


@cache
def _spans(shard: Path) -> dict[str, Span]:
    """Return the members of a tar, by its index where it has one; read once in a process."""
    index = _index_file(shard)
    if not index.is_file():
        return _scan(shard)
    told = read_json(index)
    try:
        size, spans = int(told["bytes"]), {name: (int(start), int(n)) for name, (start, n) in told["members"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{index}: not the index of a tar; delete it, the tar is read without") from error
    if size != shard.stat().st_size:
        raise ArtifactError(f"{index}: is of a tar of {size:,} bytes, {shard.name} has another size; delete the index")
    return spans


def _scan(shard: Path) -> dict[str, Span]:
    """Return where the bytes of each plain file in a tar are."""
    try:
        with tarfile.open(shard, "r:") as tar:
            # `tar cf x.tar .` writes ./a.png, which a path of ours never says.
            images = (member for member in tar if _is_image(member))
            return {PurePosixPath(member.name).as_posix(): (member.offset_data, member.size) for member in images}
    except tarfile.TarError as error:
        raise ArtifactError(f"{shard}: not a plain tar file: {error}; unpack a compressed one") from error


def _is_image(member: tarfile.TarInfo) -> bool:
    """Whether a member may be an image: the facts beside one are not."""
    return member.isreg() and not member.name.endswith(".json")


def _index_file(shard: Path) -> Path:
    return shard.with_name(f"{shard.name}.json")
