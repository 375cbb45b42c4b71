"""Files that outlive a process: ModelCard, EmbeddingSet, EdgeBundle.

Every one of them knows its space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hetvs.arrays import array_digest, load_array, save_array
from hetvs.card_fields import SCHEMA_VERSION, build, of_this_schema, preprocess_of
from hetvs.errors import ArtifactError
from hetvs.files import digest_json, new_folder, read_json, write_json
from hetvs.levels import to_levels, unit_of_levels
from hetvs.preprocess import Preprocess
from hetvs.spaces import SpaceCard as SpaceCard  # readers of artifacts find their space here
from hetvs.spaces import require_same_space as require_same_space

BUNDLE_VERSION = 2  # of the edge bundle alone: a number of its own, since SCHEMA_VERSION is part of every space id
UNIT_NORM_TOLERANCE = 1e-4
CARD_NAME = "card.json"
SET_DIGESTS = ("model_digest", "vectors_digest", "ids_digest")
SET_FIELDS = (*SET_DIGESTS, "precision")  # in space.json, beside the space's own fields


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a reader must know of one model: its space, its input, its cost, its origin.

    `role` is teacher, student, update or control; `validation` holds metrics read on the val split while
    training (0..1); `training` the facts of the run (seed, epochs, losses, data digest, ...).
    """

    name: str
    role: str
    backbone: str
    backbone_options: dict[str, Any] = field(default_factory=dict)
    space: SpaceCard
    preprocess: Preprocess
    weights_digest: str
    macs: int
    parameters: int
    validation: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Embedding dimension D."""
        return self.space.dim

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            **asdict(self),
            "space": self.space.to_json(),
            "preprocess": asdict(self.preprocess),
        }

    @classmethod
    def from_json(cls, value: Any, where: str) -> ModelCard:
        """Read a card back; ArtifactError when a field is missing, unknown or of another schema."""
        values = of_this_schema(dict(value) if isinstance(value, dict) else {}, where)
        del values["schema_version"]
        values["space"] = SpaceCard.from_json(values.get("space"), where)
        values["preprocess"] = preprocess_of(values.get("preprocess"), where)
        return build(cls, values, where)

    def save(self, folder: Path) -> None:
        """Write `card.json` into `folder`, atomically."""
        write_json(folder / CARD_NAME, self.to_json())

    @classmethod
    def load(cls, folder: Path) -> ModelCard:
        """Read `card.json` of a run or a bundle."""
        path = folder / CARD_NAME
        return cls.from_json(read_json(path), str(path))


@dataclass(frozen=True)
class EmbeddingSet:
    """Vectors that know their ids and their space.

    `vectors_ND` is float32 with rows of unit L2 norm (checked to 1e-4), `ids` are the N image ids.
    `model_digest` is the weights digest of the model that made them. `precision` is that of the file,
    fp32 or int8; vectors of int8 are those that its levels stand for (see `hetvs.levels`).
    """

    vectors_ND: np.ndarray
    ids: tuple[str, ...]
    space: SpaceCard
    model_digest: str
    precision: str = "fp32"

    def __post_init__(self) -> None:
        shape = self.vectors_ND.shape
        if len(shape) != 2 or shape != (len(self.ids), self.space.dim):
            raise ArtifactError(f"vectors of shape {shape} do not fit {len(self.ids)} ids and D={self.space.dim}")
        if self.vectors_ND.dtype != np.float32:
            raise ArtifactError(f"vectors are {self.vectors_ND.dtype}, expected float32")
        if len(set(self.ids)) != len(self.ids):
            twice = next(i for n, i in enumerate(self.ids) if i in self.ids[:n])
            raise ArtifactError(f"image id {twice!r} stands twice; an id names one vector")
        norms = np.linalg.norm(self.vectors_ND, axis=1)
        if not np.all(np.abs(norms - 1) <= UNIT_NORM_TOLERANCE):
            worst = int(np.argmax(np.abs(norms - 1)))
            raise ArtifactError(f"vector of {self.ids[worst]!r} has norm {norms[worst]:.6f}, expected 1")

    def rows_of(self, ids: Sequence[str]) -> np.ndarray:
        """Return the row number (int64) of each image id, -1 for one that is not here."""
        known = {image_id: row for row, image_id in enumerate(self.ids)}
        return np.array([known.get(image_id, -1) for image_id in ids], dtype=np.int64)

    def rounded(self) -> EmbeddingSet:
        """Return the same as int8: a quarter of the bytes, vectors that a reader of that file will see."""
        return replace(self, vectors_ND=unit_of_levels(to_levels(self.vectors_ND)[0]), precision="int8")

    def prefix(self, dim: int) -> EmbeddingSet:
        """Return the first `dim` components, normalised again, in the space of that prefix.

        Raises ConfigError unless the space is rotated and `dim` is in 1..D, ArtifactError for a prefix that is zero.
        """
        space = self.space.prefix(dim)
        if space == self.space:
            return self
        cut_Nm = self.vectors_ND[:, :dim].astype(np.float64)
        norms_N1 = np.linalg.norm(cut_Nm, axis=1, keepdims=True)
        unit_Nm = (cut_Nm / np.where(norms_N1 > 0, norms_N1, 1)).astype(np.float32)
        return replace(self, vectors_ND=unit_Nm, space=space, precision="fp32")

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write vectors.npy, ids.json and space.json; they appear together or not at all."""
        stored = self.vectors_ND if self.precision == "fp32" else to_levels(self.vectors_ND)[0]
        with new_folder(folder, overwrite=overwrite) as temporary:
            save_array(temporary / "vectors.npy", stored)
            write_json(temporary / "ids.json", list(self.ids))
            facts = (self.model_digest, array_digest(stored), digest_json(self.ids), self.precision)
            named = dict(zip(SET_FIELDS, facts, strict=True))
            write_json(temporary / "space.json", {**self.space.to_json(), **named})

    @classmethod
    def load(cls, folder: Path) -> EmbeddingSet:
        """Read a folder written by `save`; ArtifactError when the vectors or the ids were changed since."""
        space_path, vectors_path, ids_path = (folder / name for name in ("space.json", "vectors.npy", "ids.json"))
        values = read_json(space_path)
        values = dict(values) if isinstance(values, dict) else {}
        model_digest, vectors_digest, ids_digest = (str(values.pop(name, "")) for name in SET_DIGESTS)
        precision = str(values.pop("precision", "fp32"))  # absent where fp32 was all there was
        space = SpaceCard.from_json(values, str(space_path))
        vectors, ids = load_array(vectors_path), read_json(ids_path)
        for path, digest, recorded in (
            (vectors_path, array_digest(vectors), vectors_digest),
            (ids_path, digest_json(ids), ids_digest),
        ):
            if digest != recorded:
                raise ArtifactError(f"{path}: digest differs from space.json; embed again")
        if (precision, str(vectors.dtype)) not in (("fp32", "float32"), ("int8", "int8")):
            raise ArtifactError(f"{vectors_path}: holds {vectors.dtype}, space.json says {precision!r}; embed again")
        if precision == "int8":
            vectors = unit_of_levels(vectors)
        return cls(vectors, tuple(ids), space, model_digest, precision)


@dataclass(frozen=True)
class EdgeBundle:
    """The folder that goes to the device: model.onnx, card.json, golden images and vectors.

    `golden_pixels` is (18, S, S, 3) uint8, `golden_vectors` (18, D) float32 from the PyTorch model,
    `golden_ids` the ids of the 18 images; a runtime is right when no component differs by more than
    `tolerance`. The first ids are `golden_files`: names of PNG files in the folder, at a size of their
    own, so that a resizer can be tested too. `parity_max_abs` is what export measured against PyTorch,
    `opset` the ONNX opset, `onnx_digest` the sha256 of model.onnx. `precision` is fp32 or int8. The
    golden vectors of int8 are its own file's, its `parity_max_abs` is against the fp32 file, and
    `quantisation` says how it was made and what it loses.
    """

    folder: Path
    card: ModelCard
    golden_pixels: np.ndarray
    golden_vectors: np.ndarray
    golden_ids: tuple[str, ...]
    golden_files: tuple[str, ...]
    tolerance: float
    parity_max_abs: float
    opset: int
    onnx_digest: str
    precision: str = "fp32"
    quantisation: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, size = len(self.golden_ids), self.card.preprocess.size_px
        for name, array, dtype, shape in (
            ("golden_pixels", self.golden_pixels, np.uint8, (count, size, size, 3)),
            ("golden_vectors", self.golden_vectors, np.float32, (count, self.card.dim)),
        ):
            if count == 0 or array.dtype != dtype or array.shape != shape:
                raise ArtifactError(
                    f"{self.folder / name}.npy: {array.dtype} {array.shape} does not fit the card "
                    f"({np.dtype(dtype)} {shape}); run `hetvs export` again"
                )
        if not self.golden_files or self.golden_files != self.golden_ids[: len(self.golden_files)]:
            raise ArtifactError(
                f"{self.folder / CARD_NAME}: golden_files are not the first golden_ids; run `hetvs export` again"
            )

    @property
    def model_path(self) -> Path:
        """Where model.onnx lies."""
        return self.folder / "model.onnx"

    def write_side_files(self, folder: Path) -> None:
        """Write card.json and the golden arrays into `folder`, beside a model.onnx that is there."""
        export = {
            "version": BUNDLE_VERSION,
            "tolerance": self.tolerance,
            "parity_max_abs": self.parity_max_abs,
            "opset": self.opset,
            "onnx_digest": self.onnx_digest,
            "precision": self.precision,
            "quantisation": self.quantisation,
            "golden_ids": list(self.golden_ids),
            "golden_files": list(self.golden_files),
            "input": {"name": "pixels", "dtype": "uint8", "layout": "NHWC", "colour": "RGB"},
            "output": {"name": "embedding", "dtype": "float32", "norm": 1},
        }
        write_json(folder / CARD_NAME, {**self.card.to_json(), "export": export})
        save_array(folder / "golden_pixels.npy", self.golden_pixels)
        save_array(folder / "golden_vectors.npy", self.golden_vectors)

    @classmethod
    def load(cls, folder: Path) -> EdgeBundle:
        """Read a bundle; ArtifactError when a part is missing. model.onnx is not opened here."""
        path = folder / CARD_NAME
        values = read_json(path)
        values = dict(values) if isinstance(values, dict) else {}
        export = values.pop("export", None)
        if not isinstance(export, dict):
            raise ArtifactError(f"{path}: is not the card of an edge bundle; run `hetvs export` on the run")
        version = export.get("version", 1)
        if version != BUNDLE_VERSION:
            raise ArtifactError(
                f"{path}: bundle version {version!r}, this hetvs reads {BUNDLE_VERSION}; run `hetvs export` again"
            )
        try:
            bundle = cls(
                folder=folder,
                card=ModelCard.from_json(values, str(path)),
                golden_pixels=load_array(folder / "golden_pixels.npy"),
                golden_vectors=load_array(folder / "golden_vectors.npy"),
                golden_ids=tuple(map(str, export["golden_ids"])),
                golden_files=tuple(map(str, export["golden_files"])),
                tolerance=float(export["tolerance"]),
                parity_max_abs=float(export["parity_max_abs"]),
                opset=int(export["opset"]),
                onnx_digest=str(export["onnx_digest"]),
                precision=str(export.get("precision", "fp32")),
                quantisation=dict(export.get("quantisation", {})),
            )
        except KeyError as error:
            raise ArtifactError(f"{path}: export field {error} is missing; run `hetvs export` again") from None
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: an export field is off: {error}; run `hetvs export` again") from None
        if not bundle.model_path.is_file():
            raise ArtifactError(f"{bundle.model_path}: not found; run `hetvs export` again")
        return bundle


def is_bundle(folder: Path) -> bool:
    """Say whether `folder` holds an exported bundle (rather than a training run)."""
    return (folder / "model.onnx").is_file()
