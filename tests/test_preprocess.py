"""The resize contract: every kind of file comes out upright, on white, square, at the model's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hetvs.errors import ManifestError
from hetvs.preprocess import Preprocess, fit_square, open_rgba

RED, BLUE, WHITE, GREY = (255, 0, 0), (0, 0, 255), (255, 255, 255), (128, 128, 128)


def read(path: Path, size_px: int, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
    return Preprocess(size_px=size_px).read(path, box)


def red_left_blue_right() -> Image.Image:
    image = Image.new("RGB", (8, 8), RED)
    image.paste(BLUE, (4, 0, 8, 8))
    return image


@pytest.mark.parametrize(
    ("orientation", "red_corner", "blue_corner"),
    [
        (1, (0, 0), (0, 7)),
        (2, (0, 7), (0, 0)),
        (3, (0, 7), (0, 0)),
        (4, (0, 0), (0, 7)),
        (5, (0, 0), (7, 0)),
        (6, (0, 0), (7, 0)),
        (7, (7, 0), (0, 0)),
        (8, (7, 0), (0, 0)),
    ],
)
def test_exif_orientation_is_applied(
    tmp_path: Path, orientation: int, red_corner: tuple[int, int], blue_corner: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    red_left_blue_right().save(tmp_path / "a.png", exif=exif)
    pixels = read(tmp_path / "a.png", 8)
    assert tuple(pixels[red_corner]) == RED
    assert tuple(pixels[blue_corner]) == BLUE


def test_alpha_is_composed_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 51))  # a fifth of black on white: 204
    image.save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", 2)[0].tolist() == [[255] * 3, [204] * 3]


def test_alpha_is_composed_before_scaling(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    alpha = pixels[..., 3:] / 255
    white = Image.fromarray((pixels[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8))
    expected = np.asarray(white.resize((7, 7), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(read(tmp_path / "a.png", 7) - expected).max() <= 1  # alpha_composite rounds by itself


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 128, GREY),
        ("LA", (128, 255), GREY),
        ("1", 1, WHITE),
        ("RGB", RED, RED),
        ("RGBA", (*RED, 255), RED),
        ("CMYK", (0, 255, 255, 0), RED),
        ("I;16", 65535, WHITE),
        ("I;16", 128 * 257, GREY),
        ("I", 128 * 257, GREY),
    ],
)
def test_every_colour_mode_becomes_rgb(tmp_path: Path, mode: str, colour: int, expected: tuple[int, int, int]) -> None:
    Image.new(mode, (5, 3), colour).save(tmp_path / "a.tif")
    assert tuple(read(tmp_path / "a.tif", 5)[2, 2]) == expected


def test_sixteen_bit_png_is_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 128 * 257, dtype=np.uint16)).save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png", 4) == 128).all()


def test_palette_with_transparency_is_white_where_clear(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([*RED, *BLUE])
    image.putpixel((3, 3), 1)
    image.save(tmp_path / "a.png", transparency=0)
    pixels = read(tmp_path / "a.png", 4)
    assert tuple(pixels[0, 0]) == WHITE
    assert tuple(pixels[3, 3]) == BLUE


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ManifestError, match=r"a\.tif: not a readable image: floating-point"):
        open_rgba(tmp_path / "a.tif")


def test_one_pixel_fills_the_square(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png", 6) == RED).all()


def test_wide_and_tall_images_are_centred_and_the_odd_pixel_is_right_and_below(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), RED).save(tmp_path / "wide.png")
    Image.new("RGB", (20, 40), RED).save(tmp_path / "tall.png")
    wide, tall = read(tmp_path / "wide.png", 10), read(tmp_path / "tall.png", 10)
    is_red = (wide == RED).all(axis=2)
    assert is_red[:, 5].tolist() == [False] * 2 + [True] * 5 + [False] * 3
    assert np.array_equal(tall, wide.transpose(1, 0, 2))


def test_the_shorter_side_rounds_half_up_and_is_at_least_one_pixel(tmp_path: Path) -> None:
    assert count_rows(fit_square(Image.new("RGB", (60, 15)), 10)) == 3  # 2.5
    assert count_rows(fit_square(Image.new("RGB", (1000, 1)), 10)) == 1


def count_rows(square: Image.Image) -> int:
    return int((np.asarray(square) == 0).all(axis=(1, 2)).sum())


def test_box_is_cut_from_the_upright_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored red left, upright red above
    red_left_blue_right().save(tmp_path / "a.png", exif=exif)
    assert (read(tmp_path / "a.png", 4, (4, 0, 8, 4)) == RED).all()
    assert (read(tmp_path / "a.png", 4, (0, 4, 4, 8)) == BLUE).all()


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_not_an_image_is_a_manifest_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ManifestError, match=r"a\.png: not a readable image"):
        open_rgba(tmp_path / "a.png")


def test_truncated_huge_and_missing_files_are_manifest_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ManifestError, match=r"cut\.png: not a readable image"):
        open_rgba(tmp_path / "cut.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ManifestError, match=r"a\.png: not a readable image: .*exceeds limit"):
        open_rgba(tmp_path / "a.png")
    with pytest.raises(ManifestError, match=r"none\.png: image not found"):
        open_rgba(tmp_path / "none.png")


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 50),
    height=st.integers(1, 50),
    size_px=st.integers(1, 40),
    mode=st.sampled_from(["RGB", "RGBA", "L", "P", "CMYK", "1"]),
)
def test_output_is_always_a_uint8_square_of_the_models_size(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, size_px: int, mode: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.tif"
    Image.new(mode, (width, height)).save(path)
    pixels = read(path, size_px)
    assert pixels.shape == (size_px, size_px, 3)
    assert pixels.dtype == np.uint8


@settings(max_examples=30, deadline=None)
@given(side=st.integers(1, 60), size_px=st.integers(1, 40), seed=st.integers(0, 9))
def test_a_square_is_pillows_bilinear(
    tmp_path_factory: pytest.TempPathFactory, side: int, size_px: int, seed: int
) -> None:
    path = tmp_path_factory.mktemp("square") / "a.png"
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))
    image.save(path)
    expected = np.asarray(image.resize((size_px, size_px), Image.Resampling.BILINEAR))
    assert np.array_equal(read(path, size_px), expected)


def test_the_digest_covers_every_field() -> None:
    base = Preprocess(size_px=32)
    others = [
        Preprocess(size_px=33),
        Preprocess(size_px=32, mean=(0.0, 127.5, 127.5)),
        Preprocess(size_px=32, std=(1.0, 127.5, 127.5)),
        Preprocess(size_px=32, resize="other"),
    ]
    assert base.digest() == Preprocess(size_px=32).digest()
    assert len({base.digest(), *(other.digest() for other in others)}) == 5
