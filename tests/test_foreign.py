"""An ONNX file of another's making: stated, opened, followed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hetvs.config import StudentConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ArtifactError, ConfigError
from hetvs.manifest import Manifest
from hetvs.training.student import train_student

STATED = "size = 8\nmean = [100.0, 110.0, 120.0]\nstd = [50.0, 60.0, 70.0]\n"
DIM = 16


def weights() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8 * 8 * 3, DIM)).astype(np.float32)


def make(folder: Path, *, layout: str = "nchw", stated: str = STATED) -> Path:
    """Write a graph that flattens its input and multiplies it, not normalised, and what is stated of it."""
    folder.mkdir(exist_ok=True)
    shape = [1, 3, 8, 8] if layout == "nchw" else [1, 8, 8, 3]
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])],
        "cloud",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, DIM])],
        [numpy_helper.from_array(weights(), "w")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "cloud.onnx"
    )
    (folder / "cloud.toml").write_text(stated)
    return folder / "cloud.onnx"


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_vectors_are_those_of_a_naive_product_with_the_stated_preprocessing(layout: str, tmp_path: Path) -> None:
    encoder = open_encoder(make(tmp_path, layout=layout, stated=f'{STATED}layout = "{layout}"\n'), threads=1)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    scaled = (pixels - np.array([100.0, 110.0, 120.0])) / np.array([50.0, 60.0, 70.0])
    raw = (scaled.transpose(0, 3, 1, 2) if layout == "nchw" else scaled).reshape(3, -1) @ weights()
    np.testing.assert_allclose(encoder.encode(pixels), raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-5)
    assert encoder.card.dim == DIM


def test_other_preprocessing_is_another_space(tmp_path: Path) -> None:
    ids = {
        open_encoder(make(tmp_path / str(n), stated=text), threads=1).card.space.space_id
        for n, text in enumerate((STATED, STATED, STATED.replace("100.0", "99.0")))
    }
    assert len(ids) == 2


def test_a_student_follows_a_foreign_teacher(shapes: Manifest, tmp_path: Path, tiny_student: StudentConfig) -> None:
    path = make(tmp_path / "foreign")
    card = train_student(shapes, path, tmp_path / "edge", replace(tiny_student, epochs=1))
    assert card.space == open_encoder(path, threads=1).card.space
    assert card.training["teacher"] == "cloud"


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("", "size must be stated"),
        ("size = 8\n", "mean must be stated: three numbers"),
        (STATED.replace("std", "sdt"), "unknown setting 'sdt'; did you mean 'std'"),
        (STATED.replace("70.0", "0.0"), "std must be stated"),
        (f'{STATED}layout = "chw"\n', "layout 'chw' is unknown"),
        (f'{STATED}input = "pixels"\n', "input 'pixels' is not one of x"),
    ],
)
def test_what_is_not_stated_is_asked_for(stated: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        open_encoder(make(tmp_path, stated=stated), threads=1)
    assert said in str(caught.value)
    assert "cloud.toml" in str(caught.value)


def test_a_file_that_is_missing_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path, stated=STATED.replace("size = 8", "size = 9"))
    with pytest.raises(ArtifactError, match="does not take its stated input"):
        open_encoder(path, threads=1)
    path.with_suffix(".toml").unlink()
    with pytest.raises(ConfigError, match="state size, mean, std"):
        open_encoder(path, threads=1)
    path.unlink()
    with pytest.raises(ArtifactError, match="not found"):
        open_encoder(path, threads=1)
