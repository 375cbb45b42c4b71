"""The basis in which the first components of a space's vectors are worth most: a map that changes no cosine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hetvs.artifacts import EmbeddingSet
from hetvs.errors import ConfigError, IncompatibleSpaceError
from hetvs.refresh.maps import MapCard, SpaceMap, digest_of

ROTATION = "rotation"  # the folder of the map inside of what it rotated
METHOD = "rotation"
VECTORS_PER_COMPONENT = 10  # fewer say too little of the last directions


def basis_of(vectors_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return V (D, D), whose columns are the directions of N unit vectors, best first, and the energy of each prefix.

    The singular value decomposition G = U S V^T is *uncentred*, for a cosine has its origin at zero. The largest
    entry of each column is positive, so that the signs do not depend on the solver. `energy` (D,), 0..1, is
    sum_{i<=m} S_i^2 / sum S_i^2. ValueError for fewer vectors than components.

    >>> V, energy = basis_of(np.array([[0.0, -1.0], [0.0, -1.0], [1.0, 0.0]]))
    >>> V.round(6).tolist(), energy.round(6).tolist()
    ([[0.0, 1.0], [1.0, 0.0]], [0.666667, 1.0])
    """
    if len(vectors_ND) < vectors_ND.shape[1]:
        raise ValueError(f"{len(vectors_ND)} vectors span no basis of D = {vectors_ND.shape[1]}")
    _, singular_D, directions_DD = np.linalg.svd(vectors_ND.astype(np.float64), full_matrices=False)
    largest_D = np.take_along_axis(directions_DD, np.abs(directions_DD).argmax(1)[:, None], axis=1)
    energy_D = np.cumsum(singular_D**2) / np.sum(singular_D**2)
    return (directions_DD * np.sign(largest_D)).T, energy_D


def rotation_of(vectors: EmbeddingSet, facts: dict[str, Any], where: Path) -> SpaceMap:
    """Return the rotation of the space of `vectors` into their own basis, as a map that knows where it begins.

    `facts` are said of the fit in its card, beside the energies. Raises ConfigError, which names `where`, for
    fewer than 10 D vectors.
    """
    count, dim = vectors.vectors_ND.shape
    if count < VECTORS_PER_COMPONENT * dim:
        raise ConfigError(
            f"{where}: {count:,} vectors of the train split; a basis of D = {dim} needs "
            f"{VECTORS_PER_COMPONENT * dim:,}: embed more images"
        )
    basis_DD, energy_D = basis_of(vectors.vectors_ND)
    weight_DD = np.ascontiguousarray(basis_DD.T.astype(np.float32))
    arrays = {"weight": weight_DD, "bias": np.zeros(dim, np.float32)}
    digest = digest_of(arrays)
    card = MapCard(
        method=METHOD,
        direction="forward",
        from_space=vectors.space,
        to_space=vectors.space.rotated(digest),
        from_model=vectors.model_digest,
        to_model=vectors.model_digest,
        weights_digest=digest,
        pairs=count,
        fitted={**facts, "energy": [round(float(energy), 6) for energy in energy_D]},
    )
    return SpaceMap(card, arrays)


def require_begins(rotation: SpaceMap, space_id: str, name: str) -> None:
    """Raise IncompatibleSpaceError unless the space `space_id` of `name` is the one that the rotation turns."""
    begins, ends = (space.space_id for space in (rotation.card.from_space, rotation.card.to_space))
    if space_id == ends:
        raise IncompatibleSpaceError(f"{name}: is in space {ends}, the rotated one; there is nothing left to do")
    if space_id != begins:
        raise IncompatibleSpaceError(f"{name}: is in space {space_id}, but the rotation is one of space {begins}")


def halves(dim: int) -> list[int]:
    """Return D and its halves that are whole, four at most: the prefixes worth a look.

    >>> halves(128), halves(12)
    ([128, 64, 32, 16], [12, 6, 3])
    """
    found = [dim]
    while found[-1] % 2 == 0 and len(found) < 4:
        found.append(found[-1] // 2)
    return found
