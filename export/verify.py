"""Is a bundle whole, and does it live in the same space as other artifacts? No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from export.graph import graph_metadata, load_graph, read_metadata
from export.parity import require_parity
from hetvs.artifacts import CARD_NAME, SET_DIGESTS, EdgeBundle, SpaceCard, require_same_space
from hetvs.encoders import open_session, run_session
from hetvs.errors import ArtifactError
from hetvs.files import digest_file, read_json


@dataclass(frozen=True)
class Checked:
    """A bundle that passed: and the largest golden difference on this machine."""

    bundle: EdgeBundle
    golden_max_abs: float


def check_bundle(folder: Path, against: tuple[Path, ...] = ()) -> Checked:
    """Check digest, graph, metadata, golden vectors and space of the bundle in `folder`.

    Raises ArtifactError (a part is missing, corrupt or edited), ParityError (this machine's vectors
    are not the golden ones) or IncompatibleSpaceError (an artifact of `against` has another space).
    """
    bundle = EdgeBundle.load(folder)
    if digest_file(bundle.model_path) != bundle.onnx_digest:
        raise ArtifactError(f"{bundle.model_path}: digest differs from card.json; run `hetvs export` again")
    require_metadata(bundle)
    actual_BD = run_session(open_session(bundle.model_path, threads=1), bundle.golden_pixels)
    worst = require_parity(
        bundle.golden_vectors, actual_BD, bundle.golden_ids, bundle.tolerance, str(bundle.model_path)
    )
    for other in against:
        require_same_space(bundle.card.space, space_of(other), str(folder), str(other))
    return Checked(bundle, worst)


def require_metadata(bundle: EdgeBundle) -> None:
    """Raise ArtifactError unless the graph is sound and says of itself what card.json says."""
    written = read_metadata(load_graph(bundle.model_path))
    for key, expected in graph_metadata(bundle.card).items():
        if written.get(key) != expected:
            raise ArtifactError(
                f"{bundle.model_path}: {key} is {written.get(key)!r}, card.json says {expected!r}; "
                "one of the two was edited, run `hetvs export` again"
            )


def space_of(folder: Path) -> SpaceCard:
    """Return the space of a vector set, a bundle or a run, without loading vectors or weights."""
    vectors = folder / "space.json"
    path = vectors if vectors.is_file() else folder / CARD_NAME
    values = read_json(path)
    if isinstance(values, dict):  # from_json says what is wrong with any other value
        values = values.get("space") if path != vectors else {k: v for k, v in values.items() if k not in SET_DIGESTS}
    return SpaceCard.from_json(values, str(path))
