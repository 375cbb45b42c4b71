"""The resize contract, three times: Pillow (what hetvs runs), plain loops (docs/resize.md), JavaScript."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hetvs.preprocess import Box, Preprocess, fit_square, on_white

ROOT = Path(__file__).parents[1]
RESIZE_MJS = ROOT / "export" / "phone" / "web" / "resize.mjs"
RESIZE_KT = ROOT / "export" / "phone" / "android" / "app" / "src" / "main" / "kotlin" / "Resize.kt"
DRIVER = """
import { readFileSync, writeFileSync } from "node:fs";
const [module, folder] = process.argv.slice(1);
const { resize } = await import(module);
const pixels = readFileSync(`${folder}/rgba`);
let start = 0;
const squares = JSON.parse(readFileSync(`${folder}/cases.json`)).map(({ width, height, size, box }) => {
  const rgba = pixels.subarray(start, (start += width * height * 4));
  return box ? resize(rgba, width, height, size, box) : resize(rgba, width, height, size);
});
writeFileSync(`${folder}/rgb`, Buffer.concat(squares));
"""
KOTLIN_DRIVER = """
import io.hetvs.selftest.Resize
import java.io.File

fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    val rgba = File(folder, "rgba").readBytes()
    var start = 0
    File(folder, "rgb").outputStream().use { out ->
        for (line in File(folder, "cases.txt").readLines()) {
            val (width, height, size) = line.split(" ").map { it.toInt() }
            val end = start + width * height * 4
            out.write(Resize.resize(rgba.copyOfRange(start, end), width, height, size))
            start = end
        }
    }
}
"""


@dataclass(frozen=True)
class Case:
    """An upright RGBA picture (H, W, 4), the size to reach, the part to cut."""

    rgba: np.ndarray
    size_px: int
    box: Box | None = None

    def by_pillow(self, folder: Path) -> np.ndarray:
        Image.fromarray(self.rgba).save(folder / "case.png")
        return Preprocess(size_px=self.size_px).read(folder / "case.png", self.box)


def loops(rgba: np.ndarray, size_px: int) -> np.ndarray:
    """Return (size_px, size_px, 3) uint8 RGB of an upright (H, W, 4) uint8 picture, as docs/resize.md says it."""
    picture = composed(rgba)
    height, width = picture.shape[:2]
    longer = max(height, width)
    to_height, to_width = (max(1, (2 * side * size_px + longer) // (2 * longer)) for side in (height, width))
    across = scaled_across(picture, to_width)
    scaled = scaled_across(across.transpose(1, 0, 2), to_height).transpose(1, 0, 2)
    square = np.full((size_px, size_px, 3), 255, np.uint8)
    top, left = (size_px - to_height) // 2, (size_px - to_width) // 2
    square[top : top + to_height, left : left + to_width] = scaled
    return square


def composed(rgba: np.ndarray) -> np.ndarray:
    colour, alpha = rgba[..., :3].astype(int), rgba[..., 3:].astype(int)
    return ((2 * (colour * alpha + 255 * (255 - alpha)) + 255) // 510).astype(np.uint8)


def scaled_across(picture: np.ndarray, to_width: int) -> np.ndarray:
    height, width = picture.shape[:2]
    if to_width == width:
        return picture
    out = np.zeros((height, to_width, 3), np.uint8)
    for column in range(to_width):
        first, weights = taps(column, width, to_width)
        window = picture[:, first : first + len(weights)].astype(int)
        total = (window * np.array(weights)[None, :, None]).sum(axis=1) + (1 << 21)
        out[:, column] = np.clip(total >> 22, 0, 255)
    return out


def taps(column: int, width: int, to_width: int) -> tuple[int, list[int]]:
    """Return the first source column and the whole-number weights of one output column."""
    scale = width / to_width
    reach = max(scale, 1.0)
    centre = (column + 0.5) * scale
    first, last = max(0, int(centre - reach + 0.5)), min(width, int(centre + reach + 0.5))
    tent = [max(0.0, 1 - abs((x - centre + 0.5) * (1 / reach))) for x in range(first, last)]
    total = 0.0
    for weight in tent:  # in this order: a sum of floats depends on it
        total += weight
    return first, [int(weight / total * (1 << 22) + 0.5) for weight in tent]


def noise(height: int, width: int, seed: int, opaque: bool = False) -> np.ndarray:
    rgba = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    if opaque:
        rgba = np.where(rgba > 127, 255, 0).astype(np.uint8)  # the hardest edges there are
        rgba[..., 3] = 255
    return rgba


sides = st.integers(1, 70)


@given(height=sides, width=sides, size_px=st.integers(1, 50), seed=st.integers(0, 99), opaque=st.booleans())
def test_pillow_equals_the_loops(height: int, width: int, size_px: int, seed: int, opaque: bool) -> None:
    rgba = noise(height, width, seed, opaque)
    np.testing.assert_array_equal(fit_square(on_white(Image.fromarray(rgba)), size_px), loops(rgba, size_px))


@pytest.mark.parametrize(("height", "width"), [(57, 2), (70, 3), (300, 7), (1, 40), (40, 1), (2, 501)])
def test_thin_pictures_are_scaled_across_first(height: int, width: int) -> None:
    for seed in range(5):  # in one call Pillow 13 scales some of them down first
        rgba = noise(height, width, seed)
        np.testing.assert_array_equal(fit_square(on_white(Image.fromarray(rgba)), 9), loops(rgba, 9))


def test_every_colour_on_every_alpha_is_rounded_to_the_nearest_level() -> None:
    levels = np.arange(256, dtype=np.uint8)
    rgba = np.stack([*[np.broadcast_to(levels, (256, 256))] * 3, np.broadcast_to(levels[:, None], (256, 256))], axis=-1)
    np.testing.assert_array_equal(on_white(Image.fromarray(rgba)), composed(rgba))


def test_scaling_weighs_colour_with_alpha_when_alpha_is_kept() -> None:
    rgba = noise(31, 23, seed=4)
    expected = Image.fromarray(rgba).resize((9, 12), Image.Resampling.BILINEAR)
    square = np.asarray(fit_square(Image.fromarray(rgba), 12))
    np.testing.assert_array_equal(square[:, 1:10], expected)  # 12 high, 9 wide, the odd pixel right
    assert (square[:, 0] == (255, 255, 255, 0)).all()


def hard_cases() -> list[Case]:
    """Noise and edges, up and down, odd sides, sides of one pixel, the model's own size."""
    rng = np.random.default_rng(0)
    cases = [Case(noise(h, w, seed=h + w, opaque=h % 2 == 0), s) for h, w, s in rng.integers(1, 90, (120, 3)).tolist()]
    thin = [(1, 1, 6), (1, 50, 7), (50, 1, 7), (57, 2, 10), (2, 57, 1), (224, 224, 224), (300, 225, 224)]
    return cases + [Case(noise(h, w, seed=w), s) for h, w, s in thin]


def boxes() -> list[Case]:
    """Cuts: fractional edges, beyond the picture on every side, a single pixel."""
    rgba = noise(40, 50, seed=1)
    edges = [
        (0.4, 0.5, 10.5, 11.0),
        (3, 4, 4, 5),
        (-5.5, -3, 20, 60),
        (10, 10, 80.49, 20),
        (-9, -9, -1, -2),
        (0, 0, 50, 40),
    ]
    return [Case(rgba, 17, box) for box in edges]


def pictures(folder: Path) -> list[Case]:
    """The drawings of a fixture, with edges and clear grounds as they come."""
    opened = [np.array(Image.open(path).convert("RGBA")) for path in sorted(folder.rglob("*.png"))]
    return [Case(rgba, size_px) for rgba in opened for size_px in (16, 37, 96)]


def squares(file: Path, cases: list[Case]) -> list[np.ndarray]:
    """Cut what a port wrote into the squares of its cases."""
    flat = np.fromfile(file, np.uint8)
    ends = np.cumsum([case.size_px**2 * 3 for case in cases])
    assert len(flat) == ends[-1]
    parts = np.split(flat, ends[:-1])
    return [part.reshape(case.size_px, case.size_px, 3) for part, case in zip(parts, cases, strict=True)]


def by_node(cases: list[Case], folder: Path) -> list[np.ndarray]:
    """Return the squares that resize.mjs makes of the cases, in one run of Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the JavaScript resizer is not run here")
    (folder / "rgba").write_bytes(b"".join(case.rgba.tobytes() for case in cases))
    facts = [{"width": c.rgba.shape[1], "height": c.rgba.shape[0], "size": c.size_px, "box": c.box} for c in cases]
    (folder / "cases.json").write_text(json.dumps(facts))
    command = [node, "--input-type=module", "-e", DRIVER, RESIZE_MJS.as_uri(), str(folder)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return squares(folder / "rgb", cases)


def test_javascript_equals_pillow(tmp_path: Path, letters: Path, shapes_folder: Path) -> None:
    cases = [*hard_cases(), *boxes(), *pictures(letters), *pictures(shapes_folder)]
    for case, square in zip(cases, by_node(cases, tmp_path), strict=True):
        expected = case.by_pillow(tmp_path)
        assert (square == expected).all(), f"{case.rgba.shape} to {case.size_px}, box {case.box}"


def by_kotlin(cases: list[Case], folder: Path) -> list[np.ndarray]:
    """Return the squares that Resize.kt makes of the cases on a JVM; it cuts no boxes."""
    kotlinc, java = shutil.which("kotlinc"), shutil.which("java")
    if kotlinc is None or java is None:
        pytest.skip("kotlinc or java is not installed: the Kotlin resizer is not run here")
    (folder / "Main.kt").write_text(KOTLIN_DRIVER)
    jar = folder / "resize.jar"
    build = [kotlinc, RESIZE_KT, folder / "Main.kt", "-include-runtime", "-d", jar]
    subprocess.run(build, check=True, capture_output=True, text=True, timeout=300)
    (folder / "rgba").write_bytes(b"".join(case.rgba.tobytes() for case in cases))
    facts = [f"{case.rgba.shape[1]} {case.rgba.shape[0]} {case.size_px}\n" for case in cases]
    (folder / "cases.txt").write_text("".join(facts))
    subprocess.run([java, "-jar", jar, folder], check=True, capture_output=True, text=True, timeout=300)
    return squares(folder / "rgb", cases)


@pytest.mark.slow
def test_kotlin_equals_pillow(tmp_path: Path, letters: Path, shapes_folder: Path) -> None:
    cases = [*hard_cases(), *pictures(letters), *pictures(shapes_folder)]
    for case, square in zip(cases, by_kotlin(cases, tmp_path), strict=True):
        assert (square == case.by_pillow(tmp_path)).all(), f"{case.rgba.shape} to {case.size_px}"


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ("resize(new Uint8Array(11), 1, 3, 4)", "11 bytes are no RGBA picture of 1 x 3 px"),
        ("resize(new Uint8Array(0), 0, 0, 4)", "0 bytes are no RGBA picture"),
        ("resize(new Uint8Array(4), 1, 1, 4, [0, 0, 0.4, 1])", "box 0,0,0,1 holds no pixel"),
    ],
)
def test_javascript_refuses_what_is_no_picture(call: str, part: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the JavaScript resizer is not run here")
    script = f'import {{ resize }} from "{RESIZE_MJS.as_uri()}"; {call};'
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"RangeError: {part}" in done.stderr


def png_of_16_bits(path: Path, colour_type: int, samples: np.ndarray) -> None:
    """Write (H, W, channels) uint16 samples as PNG: Pillow itself writes 16 bits of grey only."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize(
    ("colour_type", "sample", "expected"),
    [
        (0, (0x8102,), (129, 129, 129)),  # grey: divided by 257, rounded to the nearest
        (2, (0x80FF, 0x00FF, 0xFF00), (128, 0, 255)),  # colour: the decoder keeps the high byte
        (4, (0x0000, 0x8000), (127, 127, 127)),  # grey and alpha: high bytes, then white shines through
        (6, (0x0000, 0xFFFF, 0x0000, 0x3300), (204, 255, 204)),
    ],
)
def test_sixteen_bits_of_every_kind(tmp_path: Path, colour_type: int, sample: tuple, expected: tuple) -> None:
    png_of_16_bits(tmp_path / "a.png", colour_type, np.tile(np.array(sample, np.uint16), (3, 5, 1)))
    assert tuple(Preprocess(size_px=5).read(tmp_path / "a.png")[2, 2]) == expected


def test_cmyk_of_a_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)  # stored inverted, as Adobe does
    assert np.abs(Preprocess(size_px=8).read(tmp_path / "a.jpg")[4, 4].astype(int) - (255, 0, 0)).max() <= 3
