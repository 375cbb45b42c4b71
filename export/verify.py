"""Is a bundle whole, and does it live in the same space as other artifacts? No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.graph import graph_metadata, load_graph, opset_of, read_metadata
from export.parity import require_parity, require_same_pixels
from hetvs.artifacts import CARD_NAME, SET_FIELDS, EdgeBundle, SpaceCard, require_same_space
from hetvs.encoders import open_session, require_served, run_session
from hetvs.errors import ArtifactError
from hetvs.files import digest_file, read_json


@dataclass(frozen=True)
class Checked:
    """A bundle that passed: and the largest golden differences on this machine, of a component and of a level."""

    bundle: EdgeBundle
    golden_max_abs: float
    resize_max_levels: int


def check_bundle(folder: Path, against: tuple[Path, ...] = ()) -> Checked:
    """Check digest, graph, metadata, golden files, golden vectors and space of the bundle in `folder`.

    Raises ArtifactError (a part is missing, corrupt or edited), ParityError (this machine's pixels or
    vectors are not the golden ones) or IncompatibleSpaceError (an artifact of `against` has another space).
    """
    bundle = EdgeBundle.load(folder)
    if digest_file(bundle.model_path) != bundle.onnx_digest:
        raise ArtifactError(f"{bundle.model_path}: digest differs from card.json; run `hetvs export` again")
    require_metadata(bundle)
    levels = require_resize(bundle)
    session = open_session(bundle.model_path, threads=1)
    require_served(session, bundle.card, bundle.model_path)
    actual_BD = run_session(session, bundle.golden_pixels)
    worst = require_parity(
        bundle.golden_vectors,
        actual_BD,
        bundle.golden_ids,
        bundle.tolerance,
        str(bundle.model_path),
        "PyTorch" if bundle.precision == "fp32" else "its own export",
    )
    for other in against:
        require_same_space(bundle.card.space, space_of(other), str(folder), str(other))
    return Checked(bundle, worst, levels)


def require_metadata(bundle: EdgeBundle) -> None:
    """Raise ArtifactError unless the graph is sound and says of itself what card.json says."""
    graph = load_graph(bundle.model_path)
    if opset_of(graph) != bundle.opset:
        raise ArtifactError(
            f"{bundle.model_path}: opset {opset_of(graph)}, card.json says {bundle.opset}; run `hetvs export` again"
        )
    written = read_metadata(graph)
    for key, expected in graph_metadata(bundle.card).items():
        if written.get(key) != expected:
            raise ArtifactError(
                f"{bundle.model_path}: {key} is {written.get(key)!r}, card.json says {expected!r}; "
                "one of the two was edited, run `hetvs export` again"
            )


def require_resize(bundle: EdgeBundle) -> int:
    """Return by how many levels of 255 the golden files, resized here, differ from their golden pixels.

    Raises ParityError when it is more than the resize contract allows, ManifestError when a file is no image.
    """
    pixels_BHWC = np.stack([bundle.card.preprocess.read(bundle.folder / name) for name in bundle.golden_files])
    return require_same_pixels(
        bundle.golden_pixels[: len(pixels_BHWC)], pixels_BHWC, bundle.golden_files, str(bundle.folder)
    )


def space_of(folder: Path) -> SpaceCard:
    """Return the space of a vector set, a bundle or a run, without loading vectors or weights."""
    vectors = folder / "space.json"
    path = vectors if vectors.is_file() else folder / CARD_NAME
    values = read_json(path)
    if isinstance(values, dict):  # from_json says what is wrong with any other value
        values = values.get("space") if path != vectors else {k: v for k, v in values.items() if k not in SET_FIELDS}
    return SpaceCard.from_json(values, str(path))
