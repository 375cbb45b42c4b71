"""An ONNX file of another's making as an encoder: its preprocessing is stated beside it, and part of its space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.config import ForeignConfig
from hetvs.encoders import Encoder, open_session
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import digest_file, digest_json
from hetvs.preprocess import Preprocess
from hetvs.settings import read_config


class ForeignEncoder(Encoder):
    """NAME.onnx, float32 pixels to vectors of any length, which are normalised here; NAME.toml is a `ForeignConfig`.

    Its cost is not read: the card says 0 MACs and 0 parameters. A file with data outside of it is
    known by the graph alone. Raises ConfigError for what is not stated, ArtifactError for a graph that
    does not fit what is.
    """

    def __init__(self, path: Path, threads: int) -> None:
        stated = path.with_suffix(".toml")
        if not path.is_file():
            raise ArtifactError(f"{path}: not found; give an ONNX file, or a run or a bundle of hetvs")
        if not stated.is_file():
            raise ConfigError(f"{stated}: not found; state size, mean, std (0..255) and layout of {path.name} in it")
        self._config = read_config(ForeignConfig, stated)
        try:
            self._config.require_stated()
        except ConfigError as error:
            raise ConfigError(f"{stated}: {error}") from None
        self._session = open_session(path, threads)
        self._input = _chosen(self._session.get_inputs(), self._config.input, f"{path}: input", stated)
        self._output = _chosen(self._session.get_outputs(), self._config.output, f"{path}: output", stated)
        self._path = path
        self.card = self._card(path)

    def encode(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Return the unit vectors of a batch, image by image: a graph may have a fixed batch of 1."""
        vectors_BD = np.concatenate([self._run(image[None]) for image in pixels_BHWC])
        norms_B1 = np.linalg.norm(vectors_BD, axis=1, keepdims=True)
        if not (np.isfinite(norms_B1) & (norms_B1 > 0)).all():
            raise ArtifactError(f"{self._path}: gives a vector that is zero or not finite; check mean and std")
        unit: np.ndarray = vectors_BD / norms_B1
        return unit

    def _run(self, pixels_1HWC: np.ndarray) -> np.ndarray:
        """Return the raw vector (1, D) float32 of one image."""
        mean, std = (np.array(values, np.float32) for values in (self._config.mean, self._config.std))
        scaled = (pixels_1HWC.astype(np.float32) - mean) / std
        given = scaled.transpose(0, 3, 1, 2) if self._config.layout == "nchw" else scaled
        try:
            (vector,) = self._session.run([self._output], {self._input: np.ascontiguousarray(given)})
        except Exception as error:  # onnxruntime raises bare classes of its own
            said = str(error).strip().splitlines()[0][:200]
            raise ArtifactError(
                f"{self._path}: does not take its stated input: {said}; check size and layout"
            ) from error
        if vector.dtype != np.float32 or vector.ndim != 2 or len(vector) != 1:
            raise ArtifactError(
                f"{self._path}: output {self._output} is {vector.dtype} {vector.shape}, not (1, D) float32; "
                "name another output"
            )
        found: np.ndarray = vector
        return found

    def _card(self, path: Path) -> ModelCard:
        """Return a card in a space of its own; the dimension is that of a vector of grey pixels."""
        size, config = self._config.size, self._config
        mean, std = ((values[0], values[1], values[2]) for values in (config.mean, config.std))
        preprocess = Preprocess(size_px=size, mean=mean, std=std)
        # The output is part of the digest: another one is another space.
        digest = digest_json({"onnx": digest_file(path), "layout": config.layout, "output": self._output})
        dim = self._run(np.full((1, size, size, 3), 128, np.uint8)).shape[1]
        return ModelCard(
            name=path.stem,
            role="teacher",
            backbone="onnx",
            space=SpaceCard(teacher_digest=digest, preprocess_digest=preprocess.digest(), dim=dim),
            preprocess=preprocess,
            weights_digest=digest,
            macs=0,
            parameters=0,
        )


def _chosen(values: list[Any], name: str, where: str, stated: Path) -> str:
    """Return the name of the only value, or of the stated one."""
    names = [value.name for value in values]
    if name in names or (not name and len(names) == 1):
        return name or str(names[0])
    raise ConfigError(f"{where} {name!r} is not one of {', '.join(names)}; name one of them in {stated}")
