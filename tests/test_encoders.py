from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet, ModelCard
from hetvs.cli import main
from hetvs.encoders import Encoder, OnnxEncoder, TorchEncoder, batches, embed, open_encoder
from hetvs.errors import ArtifactError, HetvsError
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.storage import load_run


@pytest.fixture(scope="module")
def manifest(letters: Path) -> Manifest:
    return read_manifest(letters)


def pixels_of(manifest: Manifest, card: ModelCard) -> np.ndarray:
    return np.stack([card.preprocess.read(path) for path in manifest.paths])


def test_a_folder_is_opened_as_what_it_is(run_folder: Path, bundle_folder: Path) -> None:
    assert isinstance(open_encoder(run_folder, threads=1), TorchEncoder)
    assert isinstance(open_encoder(bundle_folder, threads=1), OnnxEncoder)


def test_a_run_encodes_as_its_model_does(run_folder: Path, manifest: Manifest) -> None:
    encoder = open_encoder(run_folder, threads=1)
    model, card = load_run(run_folder)
    pixels = pixels_of(manifest, card)
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    vectors = encoder.encode(pixels)
    assert encoder.card == card
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_run_and_bundle_give_the_same_vectors(run_folder: Path, bundle_folder: Path, manifest: Manifest) -> None:
    run, bundle = open_encoder(run_folder, threads=1), open_encoder(bundle_folder, threads=1)
    pixels = pixels_of(manifest, run.card)
    assert bundle.card.space == run.card.space
    np.testing.assert_allclose(bundle.encode(pixels), run.encode(pixels), atol=1e-5)


@pytest.mark.parametrize("kind", ["run", "bundle"])
def test_a_vector_does_not_depend_on_its_batch(
    kind: str, run_folder: Path, bundle_folder: Path, manifest: Manifest
) -> None:
    encoder = open_encoder(run_folder if kind == "run" else bundle_folder, threads=1)
    pixels = pixels_of(manifest, encoder.card)
    one_by_one = np.concatenate([encoder.encode(image[None]) for image in pixels])
    np.testing.assert_allclose(encoder.encode(pixels), one_by_one, atol=1e-5)


def test_pixels_in_any_memory_layout_give_the_same_vectors(run_folder: Path, manifest: Manifest) -> None:
    encoder = open_encoder(run_folder, threads=1)
    pixels = pixels_of(manifest, encoder.card)[:4]
    np.testing.assert_allclose(encoder.encode(np.asfortranarray(pixels)), encoder.encode(pixels), atol=1e-6)
    np.testing.assert_allclose(encoder.encode(pixels[::-1]), encoder.encode(pixels)[::-1], atol=1e-6)


class Mean(Encoder):
    """Mean colour as a vector: what each image is, without a model."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def encode(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        means_BD = np.zeros((len(pixels_BHWC), self.card.dim), np.float32)
        means_BD[:, :3] = 1 + pixels_BHWC.mean((1, 2))
        unit: np.ndarray = means_BD / np.linalg.norm(means_BD, axis=1, keepdims=True)
        return unit


def test_embed_keeps_the_asked_rows_in_the_asked_order(run_folder: Path, manifest: Manifest) -> None:
    encoder = Mean(ModelCard.load(run_folder))
    rows = np.array([7, 0, 30, 3, 12])
    made = embed(encoder, manifest, batches(rows, 2))
    assert made.ids == tuple(manifest.ids[rows])
    assert made.space == encoder.card.space
    assert made.model_digest == encoder.card.weights_digest
    np.testing.assert_allclose(made.vectors_ND, encoder.encode(pixels_of(manifest, encoder.card)[rows]))


@pytest.mark.parametrize(("n", "size", "lengths"), [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (3, 9, [3]), (0, 4, [])])
def test_batches_hold_every_row_once(n: int, size: int, lengths: list[int]) -> None:
    cut = batches(np.arange(n), size)
    assert [len(batch) for batch in cut] == lengths
    assert [row for batch in cut for row in batch] == list(range(n))


def test_no_row_is_an_error(run_folder: Path, manifest: Manifest) -> None:
    with pytest.raises(HetvsError, match="no image to embed; check the split and the row filter"):
        embed(Mean(ModelCard.load(run_folder)), manifest, [])


# What is corrupt is one line, from the command line too.


def cut_in_half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def scale_a_weight(path: Path) -> None:
    model = onnx.load(path)
    weight = model.graph.initializer[0]
    weight.raw_data = bytes(reversed(weight.raw_data))
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("kind", "spoil", "said"),
    [
        ("run", lambda f: cut_in_half(f / "model.safetensors"), "model.safetensors: corrupt"),
        ("run", lambda f: (f / "model.safetensors").write_bytes(b"\0" * 100), "model.safetensors: corrupt"),
        ("run", lambda f: cut_in_half(f / "card.json"), "card.json: not readable as JSON"),
        ("run", lambda f: (f / "card.json").unlink(), "holds no finished run"),
        ("bundle", lambda f: cut_in_half(f / "model.onnx"), "model.onnx: digest differs from its card.json"),
        ("bundle", lambda f: scale_a_weight(f / "model.onnx"), "model.onnx: digest differs from its card.json"),
        ("bundle", lambda f: (f / "golden_pixels.npy").unlink(), "golden_pixels.npy: not found"),
    ],
)
def test_a_corrupt_model_is_one_line(
    kind: str,
    spoil: Callable[[Path], object],
    said: str,
    request: pytest.FixtureRequest,
    letters: Path,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(f"{kind}_folder"), tmp_path / "model"))
    spoil(folder)
    with pytest.raises(ArtifactError):
        open_encoder(folder, threads=1)
    result = CliRunner().invoke(main, ["embed", str(letters), "--model", str(folder), "-o", str(tmp_path / "v")])
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "v").exists()


def test_a_file_that_is_no_onnx_is_one_line(tmp_path: Path) -> None:
    from hetvs.encoders import open_session

    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match=r"model\.onnx: onnxruntime cannot load it: ") as caught:
        open_session(tmp_path / "model.onnx", threads=1)
    assert "\n" not in str(caught.value)


def test_the_stored_vectors_are_those_of_the_encoder(run_folder: Path, letters: Path, tmp_path: Path) -> None:
    words = ["embed", str(letters), "--model", str(run_folder), "-o", str(tmp_path / "v"), "--split", "val"]
    result = CliRunner().invoke(main, [*words, "--threads", "1", "-b", "5"])
    assert result.exit_code == 0, result.output
    stored = EmbeddingSet.load(tmp_path / "v")
    manifest = read_manifest(letters)
    expected = embed(open_encoder(run_folder, threads=1), manifest, [manifest.rows("val")])
    assert stored.ids == expected.ids
    np.testing.assert_allclose(stored.vectors_ND, expected.vectors_ND, atol=1e-6)
