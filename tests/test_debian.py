"""Debian packages come in one call, are read without being installed, and what goes wrong is one line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hetvs.datasets import debian
from hetvs.errors import DatasetError
from hetvs.files import digest_file

FAKE_APT = """#!/bin/sh
echo "$@" >> "{log}"
shift 2
for wanted in "$@"; do
    echo package > "$(echo "$wanted" | sed 's/=/_/; s/:/%3a/')_all.deb"
done
"""


@pytest.fixture
def fake_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put a shell script in front of PATH."""

    def install(name: str, script: str) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    return install


def test_missing_packages_are_fetched_in_one_call_and_kept(
    fake_tool: Callable[[str, str], None], tmp_path: Path
) -> None:
    fake_tool("apt-get", FAKE_APT.format(log=tmp_path / "log"))
    (tmp_path / "expected").write_text("package\n")
    sha256 = digest_file(tmp_path / "expected")
    packages = [debian.Package(name, "1:2.0-1", sha256) for name in ("fonts-a", "fonts-b")]
    for _ in range(2):
        paths = debian.fetch_packages(packages, tmp_path / "cache")
        assert [path.name for path in paths] == ["fonts-a_1%3a2.0-1_all.deb", "fonts-b_1%3a2.0-1_all.deb"]
    assert (tmp_path / "log").read_text() == "download --quiet fonts-a=1:2.0-1 fonts-b=1:2.0-1\n"


def test_a_failing_apt_is_one_line_without_its_warnings(fake_tool: Callable[[str, str], None], tmp_path: Path) -> None:
    fake_tool("apt-get", "#!/bin/sh\necho 'W: a warning' >&2\necho 'E: Unable to locate x' >&2\nexit 100\n")
    message = "apt-get failed: E: Unable to locate x; run `apt-get update` and try again"
    with pytest.raises(DatasetError, match=message):
        debian.fetch_packages([debian.Package("x", "1", "")], tmp_path / "cache")


def test_elsewhere_than_on_debian_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatasetError, match=r"apt-get is not installed; .* fetch them on Debian 12"):
        debian.fetch_packages([debian.Package("x", "1", "")], tmp_path / "cache")
    with pytest.raises(DatasetError, match=r"dpkg-deb is not installed; .* fetch them on Debian 12"):
        debian.read_files(tmp_path / "x.deb", ["font.ttf"])


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is of Debian")
def test_a_file_that_is_no_package_is_a_dataset_error(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"no package")
    with pytest.raises(DatasetError, match=r"dpkg-deb failed: .*x\.deb: delete it and fetch again"):
        debian.read_files(tmp_path / "x.deb", ["font.ttf"])
