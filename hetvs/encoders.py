"""Run or bundle -> vectors. One interface over PyTorch runs and ONNX files, exported here or foreign."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hetvs.artifacts import EdgeBundle, EmbeddingSet, ModelCard, is_bundle
from hetvs.errors import ArtifactError, HetvsError
from hetvs.files import digest_file
from hetvs.manifest import Manifest


class Encoder(ABC):
    """Embeds pixels: (B, S, S, 3) uint8 RGB, S = `card.preprocess.size_px`, to (B, D) float32 unit vectors."""

    card: ModelCard

    @abstractmethod
    def encode(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the unit vectors (B, D) float32 of a batch of any size B >= 1."""


def open_session(path: Path, threads: int) -> Any:
    """Open an ONNX file in ONNX Runtime on the CPU; `threads` 0 takes every core.

    ArtifactError when the file is not one it can run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare classes of its own for any bad file
        raise ArtifactError(f"{path}: onnxruntime cannot load it: {_first_line(error)}") from error


def run_session(session: Any, pixels_BHWC: np.ndarray) -> np.ndarray:
    """Return the vectors (B, D) of a batch, image by image: the graph that ships has a fixed batch of 1."""
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in pixels_BHWC])


def require_served(session: Any, card: ModelCard, path: Path) -> None:
    """Raise ArtifactError unless the graph takes one (1, S, S, 3) uint8 image and gives one (1, D) float32 vector."""
    size = card.preprocess.size_px
    expected = [("tensor(uint8)", [1, size, size, 3])], [("tensor(float)", [1, card.dim])]
    actual = tuple(
        [(value.type, value.shape) for value in values] for values in (session.get_inputs(), session.get_outputs())
    )
    for part, wanted, got in zip(("input", "output"), expected, actual, strict=True):
        if got != wanted:
            raise ArtifactError(f"{path}: {part} is {got}, its card says {wanted}; run `hetvs export` again")


class OnnxEncoder(Encoder):
    """An edge bundle through ONNX Runtime on the CPU: what ships is what is measured."""

    def __init__(self, folder: Path, threads: int) -> None:
        bundle = EdgeBundle.load(folder)
        if digest_file(bundle.model_path) != bundle.onnx_digest:
            raise ArtifactError(f"{bundle.model_path}: digest differs from its card.json; run `hetvs export` again")
        self._session = open_session(bundle.model_path, threads)
        require_served(self._session, bundle.card, bundle.model_path)
        self.card = bundle.card

    def encode(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the unit vectors of a batch."""
        return run_session(self._session, pixels_BHWC)


class TorchEncoder(Encoder):
    """A training run through PyTorch, in eval mode."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch

        from hetvs.models.storage import load_run

        if threads:
            torch.set_num_threads(threads)
        model, self.card = load_run(folder)
        self._model: Any = model.to(memory_format=torch.channels_last)  # the layout of the pixels, and the faster one
        self._torch = torch

    def encode(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the unit vectors of a batch."""
        with self._torch.inference_mode():
            pixels = self._torch.from_numpy(np.ascontiguousarray(pixels_BHWC)).permute(0, 3, 1, 2)
            vectors: np.ndarray = self._model(pixels).float().numpy()
        return vectors


def open_encoder(folder: Path, *, threads: int = 0) -> Encoder:
    """Open a bundle (it has model.onnx), a training run, a foreign .onnx file, or a library's model by its id.

    `torchvision/NAME` and `timm/NAME` are ids where no such folder is there; `threads` 0 takes every core.
    """
    if folder.suffix == ".onnx" and not folder.is_dir():
        from hetvs.foreign import ForeignEncoder

        return ForeignEncoder(folder, threads)
    if folder.as_posix().startswith(("torchvision/", "timm/")) and not folder.exists():
        from hetvs.pretrained import PretrainedEncoder

        return PretrainedEncoder(folder.as_posix(), threads)
    return OnnxEncoder(folder, threads) if is_bundle(folder) else TorchEncoder(folder, threads)


def embed(encoder: Encoder, manifest: Manifest, batches: Iterable[np.ndarray]) -> EmbeddingSet:
    """Return the vectors of the rows in `batches` (arrays of row numbers of `manifest`), in that order.

    The caller makes the batches, so that it can wrap them in a progress bar.
    """
    vectors: list[np.ndarray] = []
    rows: list[int] = []
    for batch in batches:
        pixels = np.stack([encoder.card.preprocess.read(manifest.paths[row], manifest.box(row)) for row in batch])
        vectors.append(encoder.encode(pixels))
        rows.extend(int(row) for row in batch)
    if not rows:
        raise HetvsError(f"{manifest.source}: no image to embed; check the split and the row filter")
    ids = tuple(str(i) for i in manifest.ids[rows])
    return EmbeddingSet(np.concatenate(vectors), ids, encoder.card.space, encoder.card.weights_digest)


def batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut row numbers into batches of `size`; the last one may be smaller."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _first_line(error: Exception) -> str:
    """Return the first line of a message: errors are one line."""
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
