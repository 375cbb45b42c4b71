"""The self-test kit: what a phone reads, and its JavaScript twin, run in Node and in a browser."""

from __future__ import annotations

import functools
import html
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from export.to_phone import SOURCES, phone_kit
from hetvs.artifacts import EdgeBundle
from hetvs.cli import main
from hetvs.errors import DatasetError, ParityError
from hetvs.preprocess import RESIZE_CONTRACT, Preprocess


@pytest.fixture(scope="module")
def kit(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit of the exported bundle: read it, or copy it before changing anything."""
    folder = tmp_path_factory.mktemp("kits") / "cloud"
    phone_kit(bundle_folder, folder)
    return folder


def raw(kit: Path, name: str) -> np.ndarray:
    """Read a raw file with nothing but what the side-car says of it."""
    part = json.loads((kit / "card.json").read_text())["phone"][name]
    return np.fromfile(kit / part["file"], {"uint8": "u1", "float32": "<f4"}[part["dtype"]]).reshape(part["shape"])


def test_raw_files_and_side_car_say_what_the_bundle_says(kit: Path, bundle_folder: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    np.testing.assert_array_equal(raw(kit, "golden_pixels"), bundle.golden_pixels)
    np.testing.assert_array_equal(raw(kit, "golden_vectors"), bundle.golden_vectors)
    assert (kit / "model.onnx").read_bytes() == bundle.model_path.read_bytes()
    card = json.loads((kit / "card.json").read_text())
    del card["phone"]
    assert card == json.loads((bundle_folder / "card.json").read_text())
    assert not list(kit.rglob("*.npy"))


def test_raw_images_are_the_golden_files(kit: Path, bundle_folder: Path, tmp_path: Path) -> None:
    bundle = EdgeBundle.load(bundle_folder)
    part = json.loads((kit / "card.json").read_text())["phone"]["golden_images"]
    rgba = np.fromfile(kit / part["file"], np.uint8)
    for row, (width, height) in enumerate(part["sizes"]):
        image, rgba = rgba[: width * height * 4].reshape(height, width, 4), rgba[width * height * 4 :]
        Image.fromarray(image).save(tmp_path / "a.png")
        np.testing.assert_array_equal(Preprocess(size_px=32).read(tmp_path / "a.png"), bundle.golden_pixels[row])
    assert len(rgba) == 0


def test_command_writes_the_kit_and_says_what_is_next(bundle_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["phone", str(bundle_folder), "-o", str(tmp_path / "kit")])
    assert result.exit_code == 0, result.output
    assert "18 golden images, tolerance 0.0001" in result.stdout
    assert result.stdout.splitlines()[-1] == f"next: sh {tmp_path / 'kit' / 'android' / 'run.sh'} {tmp_path / 'kit'}"
    written = {path.relative_to(tmp_path / "kit") for path in (tmp_path / "kit").rglob("*") if path.is_file()}
    assert {path.relative_to(SOURCES) for path in SOURCES.rglob("*") if path.is_file()} <= written
    again = CliRunner().invoke(main, ["phone", str(bundle_folder), "-o", str(tmp_path / "kit")])
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


def test_a_bundle_that_is_wrong_becomes_no_kit(bundle_folder: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(bundle_folder, tmp_path / "bundle")
    np.save(bundle / "golden_vectors.npy", -np.load(bundle / "golden_vectors.npy"))
    with pytest.raises(ParityError):
        phone_kit(bundle, tmp_path / "kit")
    assert not (tmp_path / "kit").exists()


def test_what_is_not_run_says_so_in_its_first_line() -> None:
    for path in [*SOURCES.rglob("*.kt"), *SOURCES.rglob("*.kts"), *SOURCES.rglob("*.swift"), *SOURCES.rglob("*.xml")]:
        assert re.search("[Nn]ot run .*by the project's tests", path.read_text().splitlines()[0]), path
    assert (SOURCES / "android" / "run.sh").read_text().startswith("# Not run by the project's tests: needs an Android")


def test_every_port_names_the_contract_of_python() -> None:
    ports = [path for path in SOURCES.rglob("*") if path.name.lower().startswith("resize.")]
    assert {path.suffix for path in ports} == {".mjs", ".kt", ".swift"}
    for path in ports:
        named = re.search(r'(?i)\b(?:const val|static let|const) contract = "(.*)"', path.read_text())
        assert named, path
        assert named[1] == RESIZE_CONTRACT


def library() -> Path:
    """Return the module onnxruntime-web that the bench pins, fetched when it is not there yet."""
    from edge_bench.runtimes.web_package import LIBRARY, unpack

    try:
        return unpack() / LIBRARY
    except DatasetError as error:
        pytest.skip(f"onnxruntime-web is not here: {error}")


def in_node(kit: Path) -> tuple[int, dict[str, Any]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the self-test is not run in it")
    done = subprocess.run([node, kit / "web" / "node.mjs", kit, library()], capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def require_passed(result: dict[str, Any]) -> None:
    assert result["passed"], result
    assert (result["images"], result["resizeMaxLevels"], result["faults"]) == (18, 0, [])
    assert 0 <= result["vectorMaxAbs"] < 1e-5


@pytest.mark.slow
def test_the_self_test_passes_in_node(kit: Path) -> None:
    code, result = in_node(kit)
    assert code == 0
    require_passed(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("golden_vectors.f32", r"^[A-D]\d+: vector differs by \S+, tolerance 0\.0001$"),
        ("golden_pixels.rgb8", r"^golden_0\.png: resized pixels differ by \d+ of 255 levels$"),
        ("golden_images.rgba8", r"^golden_1\.png: resized pixels differ by \d+ of 255 levels$"),
    ],
)
def test_a_fault_in_node_names_image_and_amount(kit: Path, tmp_path: Path, name: str, fault: str) -> None:
    spoilt = shutil.copytree(kit, tmp_path / "kit")
    data = np.fromfile(spoilt / name, np.uint8)
    half = data[: len(data) // 8] if "pixels" in name else data[-len(data) // 8 :]
    half[:] = half[::-1].copy()
    data.tofile(spoilt / name)
    code, result = in_node(spoilt)
    assert code == 1
    assert any(re.search(fault, line) for line in result["faults"]), result["faults"]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; the paths of a kit and of the library must lie below it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def page(address: str, profile: Path) -> str:
    """Return what a headless browser shows; for root as the user nobody: Chromium refuses to confine root's pages."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed: the self-test is not run in a browser")
    profile.mkdir()
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(profile, "nobody")
        options = {"user": "nobody", "extra_groups": []}
    command = [program, "--headless", "--disable-gpu", f"--user-data-dir={profile}", "--virtual-time-budget=60000"]
    environment = {**os.environ, "HOME": str(profile)}
    done = subprocess.run(
        [*command, "--dump-dom", address], capture_output=True, text=True, timeout=300, env=environment, **options
    )
    return done.stdout


@pytest.mark.slow
def test_the_self_test_passes_in_a_browser(kit: Path, tmp_path: Path) -> None:
    shutil.copytree(kit, tmp_path / "kit")
    shutil.copytree(library().parent, tmp_path / "ort")
    profile = Path(f"/var/tmp/hetvs-{os.getpid()}")  # pytest's own folders are closed to the user nobody
    try:
        with served(tmp_path) as address:
            shown = page(f"{address}/kit/web/index.html?ort={address}/ort/{library().name}", profile)
    finally:
        shutil.rmtree(profile, ignore_errors=True)
    result = re.search(r'<pre id="result">(.*?)</pre>', shown, re.DOTALL)
    assert result, shown
    require_passed(json.loads(html.unescape(result[1])))
