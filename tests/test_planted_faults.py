"""What golden images are for: a fault that was signed on purpose, so that no digest tells, is caught and named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from export.parity import require_same_pixels
from hetvs.artifacts import EdgeBundle
from hetvs.cli import main
from hetvs.encoders import open_session, run_session
from hetvs.files import digest_file
from hetvs.preprocess import on_white, open_rgba

Edit = Callable[[onnx.ModelProto], None]
Resize = Callable[[Image.Image, int], Image.Image]


@pytest.fixture
def copied(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle that a test may spoil."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def sign(bundle: Path) -> None:
    """Record the digest of the graph that is there, as someone would who changes it on purpose."""
    card = json.loads((bundle / "card.json").read_text())
    card["export"]["onnx_digest"] = digest_file(bundle / "model.onnx")
    (bundle / "card.json").write_text(json.dumps(card))


def plant(bundle: Path, edit: Edit) -> None:
    model = onnx.load(bundle / "model.onnx")
    edit(model)
    (bundle / "model.onnx").write_bytes(model.SerializeToString())
    sign(bundle)


def constants(model: onnx.ModelProto) -> list[TensorProto]:
    """Mean and std of the normalisation, in the order in which the graph uses them."""
    return [tensor for tensor in model.graph.initializer if list(tensor.dims) == [1, 3, 1, 1]]


def one_weight(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name.endswith("projection.bias"))
    weights = numpy_helper.to_array(tensor).copy()
    weights[3] += 0.5  # of the bias: a weight behind a ReLU may never be seen
    tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))


def swapped_mean_and_std(model: onnx.ModelProto) -> None:
    mean, std = constants(model)
    values = numpy_helper.to_array(mean).copy()
    mean.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(std).copy(), mean.name))
    std.CopyFrom(numpy_helper.from_array(values, std.name))


def bgr_for_rgb(model: onnx.ModelProto) -> None:
    """Turn the channels round between the input and everything that reads it."""
    name = model.graph.input[0].name
    for node in model.graph.node:
        node.input[:] = ["turned" if each == name else each for each in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), "bgr"))
    model.graph.node.insert(0, helper.make_node("Gather", [name, "bgr"], ["turned"], axis=3))


def assert_names_image_and_amount(result: Result, pattern: str) -> None:
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) == 1
    found = re.search(pattern, result.stderr)
    assert found, result.stderr


def check(bundle: Path) -> Result:
    return CliRunner().invoke(main, ["check", str(bundle)])


@pytest.mark.parametrize("edit", [one_weight, swapped_mean_and_std, bgr_for_rgb], ids=lambda edit: edit.__name__)
def test_a_changed_graph_names_the_image_and_the_difference(copied: Path, edit: Edit) -> None:
    plant(copied, edit)
    where = r"image '(golden_\d\.png|[A-D]\d+)', component \d+ differs from PyTorch by \d\.\d+, tolerance 0\.0001"
    assert_names_image_and_amount(check(copied), where + r" \(18 of 18 images differ\)")


def test_bgr_golden_pixels_name_the_image_and_the_difference(copied: Path) -> None:
    pixels = np.load(copied / "golden_pixels.npy")
    for channel_order in ([2, 1, 0], [1, 2, 0]):
        np.save(copied / "golden_pixels.npy", pixels[..., channel_order])
        assert_names_image_and_amount(
            check(copied), r"image 'golden_\d\.png', resized here, .* by up to \d+ of 255 levels"
        )
        np.save(copied / "golden_pixels.npy", np.concatenate([pixels[:2], pixels[2:, ..., channel_order]]))
        assert_names_image_and_amount(check(copied), r"image '[A-D]\d+', component \d+ differs from PyTorch by \d")


def padded(image: Image.Image, size_px: int, filter_: Image.Resampling, gap: float | None = None) -> Image.Image:
    longer = max(image.size)
    size = (max(1, round(image.width * size_px / longer)), max(1, round(image.height * size_px / longer)))
    square = Image.new("RGB", (size_px, size_px), "white")
    square.paste(image.resize(size, filter_, reducing_gap=gap), tuple((size_px - side) // 2 for side in size))
    return square


def without_antialias(image: Image.Image, size_px: int) -> Image.Image:
    """Bilinear between the nearest four pixels, as OpenCV and many phones do it."""
    data = (image.width / size_px, 0, 0, 0, image.width / size_px, (image.height - image.width) / 2)
    return image.transform(
        (size_px, size_px), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR, fillcolor="white"
    )


OTHER_RESIZES: dict[str, Resize] = {
    "squeezed": lambda image, size_px: image.resize((size_px, size_px), Image.Resampling.BILINEAR),
    "centre crop": lambda image, size_px: image.crop((8, 0, 8 + image.height, image.height)).resize((size_px, size_px)),
    "bicubic": lambda image, size_px: padded(image, size_px, Image.Resampling.BICUBIC),
    "nearest": lambda image, size_px: padded(image, size_px, Image.Resampling.NEAREST),
    "without antialias": without_antialias,
    "no padding": lambda image, size_px: Image.new("RGB", (size_px, size_px)),
}


@pytest.mark.parametrize("name", OTHER_RESIZES)
def test_another_resize_names_the_image_and_the_levels(copied: Path, name: str) -> None:
    """The bundle of an exporter that resizes otherwise: its vectors fit its pixels, only the files can tell."""
    bundle = EdgeBundle.load(copied)
    pixels = bundle.golden_pixels.copy()
    for row, file in enumerate(bundle.golden_files):
        pixels[row] = np.asarray(OTHER_RESIZES[name](on_white(open_rgba(copied / file)), 32))
    np.save(copied / "golden_pixels.npy", pixels)
    np.save(copied / "golden_vectors.npy", run_session(open_session(bundle.model_path, 1), pixels))
    pattern = (
        r"image 'golden_\d\.png', resized here, differs from golden_pixels by up to (\d+) of 255 levels \(\d+ of 3072"
    )
    assert_names_image_and_amount(check(copied), pattern)


def test_a_port_may_differ_by_one_level_and_no_more() -> None:
    pixels = np.full((2, 4, 4, 3), 100, np.uint8)
    near, far = pixels.copy(), pixels.copy()
    near[1, 2, 2, 0] -= 1
    far[1, 2, 2, 0] -= 2
    assert require_same_pixels(pixels, near, ["a", "b"], "bundle") == 1
    with pytest.raises(Exception, match=r"^bundle: image 'b', .* by up to 2 of 255 levels \(1 of 48 values"):
        require_same_pixels(pixels, far, ["a", "b"], "bundle")


def other_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def float_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def two_gigabytes_in_a_tensor(model: onnx.ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    tensor.dims[:] = [1 << 29, *[1] * (len(tensor.dims) - 1)]


def data_outside(model: onnx.ModelProto) -> None:
    """Let a weight lie beside the folder, in a file that is there and long enough."""
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    for key, value in (("location", "../outside.bin"), ("length", str(len(tensor.raw_data)))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")


def cut_to(share: float) -> Callable[[Path], None]:
    def cut(bundle: Path) -> None:
        whole = (bundle / "model.onnx").read_bytes()
        (bundle / "model.onnx").write_bytes(whole[: int(len(whole) * share)])
        sign(bundle)

    return cut


def two_gigabytes_in_the_header(bundle: Path) -> None:
    whole = (bundle / "model.onnx").read_bytes()
    field_7_of_2_gb = bytes([7 << 3 | 2, 0xFF, 0xFF, 0xFF, 0xFF, 0x07])  # ModelProto.graph, 2^31 - 1 bytes long
    (bundle / "model.onnx").write_bytes(field_7_of_2_gb + whole)
    sign(bundle)


BAD_ONNX: dict[str, Callable[[Path], None]] = {
    "empty": cut_to(0),
    "truncated": cut_to(0.5),
    "wrong opset": lambda bundle: plant(bundle, other_opset),
    "wrong input type": lambda bundle: plant(bundle, float_input),
    "2 GB in the header": two_gigabytes_in_the_header,
    "2 GB in a tensor": lambda bundle: plant(bundle, two_gigabytes_in_a_tensor),
    "data outside the folder": lambda bundle: plant(bundle, data_outside),
}


@pytest.mark.parametrize("fault", BAD_ONNX)
@pytest.mark.parametrize("command", ["check", "bench", "evaluate"])
def test_a_bad_graph_is_one_line(
    command: str, fault: str, copied: Path, bundle_folder: Path, letters: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside.bin").write_bytes(bytes(1 << 20))
    BAD_ONNX[fault](copied)
    models = ["--gallery-model", copied, "--query-model", bundle_folder]
    arguments = {
        "check": ["check", copied],
        "bench": ["bench", copied, "-o", tmp_path / "out"],
        "evaluate": ["evaluate", letters, "--split", "val", *models, "-o", tmp_path / "out"],
    }
    result = CliRunner().invoke(main, [str(argument) for argument in arguments[command]])
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.startswith(f"Error: {copied / 'model.onnx'}: "), result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["golden_pixels.npy", "golden_vectors.npy"])
@pytest.mark.parametrize("rows", [1 << 24, 1 << 60])
def test_an_array_that_claims_more_than_there_is_is_one_line(copied: Path, name: str, rows: int) -> None:
    whole = (copied / name).read_bytes()
    claimed = whole.replace(b"(18, ", f"({rows}, ".encode(), 1)
    header = len(whole) - len(claimed)  # keep the header's length: its padding gives way
    (copied / name).write_bytes(claimed.replace(b" " * -header + b"\n", b"\n", 1))
    result = check(copied)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert f"{name}: not a readable .npy array" in result.stderr
