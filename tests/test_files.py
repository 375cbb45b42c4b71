from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import (
    atomic,
    claim_output,
    digest_bytes,
    digest_file,
    digest_json,
    new_folder,
    read_json,
    write_bytes,
    write_json,
    write_text,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "card.json"
    write_text(target, "old and long")
    write_text(target, "new")
    assert target.read_text() == "new"
    assert names_in(target.parent) == ["card.json"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_reader_sees_the_old_file_until_the_writer_is_done(tmp_path: Path) -> None:
    target = tmp_path / "vectors.npy"
    write_bytes(target, b"old")
    with atomic(target) as stream:
        stream.write(b"new, half")
        stream.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new, half"


def test_a_failed_writer_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    write_bytes(target, b"old")

    def write_half() -> None:
        with atomic(target) as stream:
            stream.write(b"half")
            raise RuntimeError("the writer had a bug")

    with pytest.raises(RuntimeError):
        write_half()
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["model.onnx"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint.pt"
    write_bytes(target, b"old")
    code = f"""
import os, signal
from pathlib import Path
from hetvs.files import atomic
with atomic(Path({str(target)!r})) as stream:
    stream.write(b"x" * 1_000_000)
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    target = tmp_path / "vectors.npy"
    with pytest.raises(ArtifactError) as caught:
        write_bytes(target, b"data")
    assert str(caught.value) == f"{target}: cannot write: No space left on device; free space or choose another folder"
    assert names_in(tmp_path) == []


def test_a_write_that_the_system_cuts_short_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "vectors.npy"
    write_bytes(target, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(ArtifactError, match="cannot write: File too large"):
            write_bytes(target, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["vectors.npy"]


def test_a_file_where_a_folder_must_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(ArtifactError, match="cannot write"):
        write_text(tmp_path / "runs" / "card.json", "{}")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"NaN,"])
def test_what_is_not_json_names_the_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"card\.json: not readable as JSON"):
        read_json(path)


def test_a_missing_json_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"card\.json: not found"):
        read_json(tmp_path / "card.json")


def test_nan_never_reaches_a_json_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "report.json", {"map": float("nan")})
    assert names_in(tmp_path) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_json_comes_back_and_its_digest_with_it(value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value
    assert digest_json(read_json(path)) == digest_json(value)


def test_a_digest_depends_on_content_not_on_key_order() -> None:
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 2})
    assert digest_bytes(b"ab", b"c") != digest_bytes(b"a", b"bc")  # lengths are part of it


def test_file_digest_is_plain_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert digest_file(tmp_path / "empty").startswith("e3b0c44298fc1c14")


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "bundles" / "edge"
    with new_folder(target) as temporary:
        (temporary / "model.onnx").write_text("new")
        assert not target.exists()
    assert names_in(target) == ["model.onnx"]
    assert names_in(target.parent) == ["edge"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "edge"
    with new_folder(target) as temporary:
        (temporary / "old").write_text("")

    def export_half() -> None:
        with new_folder(target, overwrite=True) as temporary:
            (temporary / "new").write_text("")
            raise RuntimeError("export failed")

    with pytest.raises(RuntimeError):
        export_half()
    assert names_in(target) == ["old"]
    assert names_in(tmp_path) == ["edge"]


def test_a_kill_while_the_old_folder_goes_leaves_the_whole_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "edge"
    with new_folder(target) as temporary:
        (temporary / "old").write_text("")
    seen: list[list[str]] = []
    monkeypatch.setattr(shutil, "rmtree", lambda folder, **_: seen.append(names_in(target)))
    with new_folder(target, overwrite=True) as temporary:
        (temporary / "new").write_text("")
    assert seen  # something was removed, and never from a folder that a reader could open
    assert all(names == ["new"] for names in seen)


def test_an_overwritten_folder_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "edge"
    for name in ("old", "new"):
        with new_folder(target, overwrite=True) as temporary:
            (temporary / name).write_text("")
    assert names_in(target) == ["new"]


def test_a_non_empty_output_must_be_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "edge"
    assert claim_output(target) == target
    assert claim_output(target).is_dir()  # empty: nothing to lose
    (target / "card.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"not empty; add --resume, --overwrite or choose another -o"):
        claim_output(target)
    with pytest.raises(ConfigError, match=r"not empty; add --overwrite"), new_folder(target):
        pytest.fail("a folder was given")
    assert names_in(claim_output(target, resume=True)) == ["card.json"]
    assert names_in(claim_output(target, overwrite=True)) == []


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "edge").write_text("")
    for refused in (lambda: claim_output(tmp_path / "edge"), lambda: new_folder(tmp_path / "edge").__enter__()):
        with pytest.raises(ConfigError, match="is a file, not a folder"):
            refused()


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_an_output_below_a_file_is_one_line(options: dict[str, bool], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot create: Not a directory"):
        claim_output(tmp_path / "file" / "edge", **options)
    with pytest.raises(ArtifactError, match="cannot write: File exists"), new_folder(tmp_path / "file" / "edge"):
        pytest.fail("a folder was given")
