"""An ARM64 machine in a folder: Python from Debian, wheels from PyPI, run by qemu's user-mode emulation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edge_bench.process import ONE_THREAD
from hetvs.datasets.packages import cache_folder
from hetvs.errors import ArtifactError, DatasetError
from hetvs.files import new_folder

QEMU = "qemu-aarch64-static"
CPU = "neoverse-n1"  # `-cpu max` computes int8 products wrongly
TIMEOUT_S = 1800
PACKAGES = ("python3.11-minimal", "libpython3.11-stdlib", "libstdc++6", "libgomp1")
PYTHON = "3.11"
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
WHEELS = {"onnxruntime": "onnxruntime", "ncnn": "ncnn", "mnn": "MNN", "litert": "ai-edge-litert"}
# onnxruntime reads this file at import and dies of one that describes an x86 core: a Neoverse N1 says so.
CPUINFO = """processor\t: 0
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


@dataclass(frozen=True)
class Machine:
    """The emulator, the folder that takes the place of `/`, and the folder of the wheels."""

    qemu: str
    root: Path
    wheels: Path

    def run(self, runtime: str, model: Path, bundle: Path, output: Path) -> None:
        """Write the golden vectors of `bundle` as `runtime` computes them here; ArtifactError when it fails."""
        packages = (library(self.wheels, "numpy"), library(self.wheels, WHEELS[runtime]))
        script = Path(__file__).with_name("inside.py")
        python = self.root / "usr" / "bin" / f"python{PYTHON}"
        inside = [python, "-P", script, runtime, model.resolve(), bundle.resolve(), output]
        environment = {**ONE_THREAD, "PYTHONPATH": os.pathsep.join(map(str, packages)), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [self.qemu, "-cpu", CPU, "-L", str(self.root), *map(str, inside)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise ArtifactError(f"{model}: {runtime} took more than {TIMEOUT_S} s under {QEMU}") from None
        if done.returncode or not output.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]
            raise ArtifactError(f"{model}: {runtime} failed under {QEMU}: {last}")


def open_machine() -> Machine:
    """Return the machine, built in the cache folder on first use.

    Its folders appear whole or not at all, so that a killed set-up goes on with the next one. Raises
    DatasetError when qemu is missing or a download fails.
    """
    qemu = shutil.which(QEMU)
    if qemu is None:
        raise DatasetError(f"{QEMU} is not installed; run `apt-get install qemu-user-static` and try again")
    cache = cache_folder() / "aarch64"
    root = cache / f"root-{PYTHON}"
    if not root.is_dir():
        with new_folder(root) as temporary:
            _unpack_debian(cache / "apt", temporary)
            (temporary / "proc").mkdir()
            (temporary / "proc" / "cpuinfo").write_text(CPUINFO)
    return Machine(qemu, root, cache / "wheels")


def library(wheels: Path, package: str) -> Path:
    """Return the folder of an unpacked wheel: the version that is installed on this machine, for ARM64."""
    return wheels / f"{package}-{version(package)}"


def fetch_wheel(wheels: Path, package: str) -> None:
    """Unpack the wheel of `package` unless it is there; pip holds it to the checksum of its index.

    Raises DatasetError when there is none for ARM64, or the download fails.
    """
    folder = library(wheels, package)
    if folder.is_dir():
        return
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version", PYTHON, *platforms]
    with new_folder(folder) as temporary:
        wanted = f"{package}=={version(package)}"
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(temporary), wanted]
        _run(command, f"{wanted} has no wheel for ARM64 and Python {PYTHON}, or the network is down")


def _unpack_debian(state: Path, root: Path) -> None:
    """Unpack PACKAGES and all they need into `root`.

    apt keeps lists and status of its own in `state` (this machine's are not touched), resolves what is
    needed for ARM64, and holds every file to the archive's signature.
    """
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()  # empty: nothing is installed, so everything needed is fetched
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "--quiet", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    hint = f"Python {PYTHON} for ARM64 comes from Debian 12: check the network and try again"
    _run([*apt, "update"], hint)
    _run([*apt, "install", "--yes", "--no-install-recommends", "--download-only", *PACKAGES], hint)
    for package in sorted((state / "archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(root)], f"delete {package} and try again")


def _run(command: list[str], hint: str) -> None:
    """Run a tool; DatasetError with its first error and `hint` when it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S)
    except FileNotFoundError:
        raise DatasetError(f"{command[0]} is not installed; {hint}") from None
    except subprocess.TimeoutExpired:
        raise DatasetError(f"{command[0]} took more than {TIMEOUT_S} s; {hint}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(("W:", "WARNING"))]
        reason = lines[0][:200] if lines else f"exit code {done.returncode}"
        raise DatasetError(f"{Path(command[0]).name} failed: {reason}; {hint}")
