"""Galleries by an old model, in the space of the new one and in one of its own, and a plan to refresh one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hetvs import backfill
from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.cli import main
from hetvs.config import BackfillConfig
from hetvs.encoders import batches, embed, open_encoder
from hetvs.manifest import Manifest
from hetvs.refresh.maps import MapCard, SpaceMap, digest_of

PLAN = BackfillConfig(chunk=5, probe=4, threads=1)
FAST = ("--threads", 1)


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def newest(shapes: Manifest, shapes_cloud: Path) -> EmbeddingSet:
    """What the new model says of every image."""
    return embed(open_encoder(shapes_cloud, threads=1), shapes, batches(np.arange(len(shapes)), 16))


def blurred(vectors: EmbeddingSet, space: SpaceCard, seed: int = 0) -> EmbeddingSet:
    """An old model: the new one's vectors, blurred."""
    rows = vectors.vectors_ND + 0.2 * np.random.default_rng(seed).normal(size=vectors.vectors_ND.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return EmbeddingSet(rows.astype(np.float32), vectors.ids, space, "v1")


@pytest.fixture(scope="module")
def old(newest: EmbeddingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery by a compatible old model: in the space of the new one."""
    folder = tmp_path_factory.mktemp("old") / "v1"
    blurred(newest, newest.space).save(folder)
    return folder


@pytest.fixture(scope="module")
def stranger(newest: EmbeddingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery by an old model with a space of its own: the axes turned."""
    folder = tmp_path_factory.mktemp("old") / "stranger"
    other = SpaceCard(teacher_digest="v1", preprocess_digest="toy", dim=newest.space.dim)
    turned = blurred(newest, other)
    EmbeddingSet(np.roll(turned.vectors_ND, 1, axis=1), turned.ids, other, "v1").save(folder)
    return folder


@pytest.fixture(scope="module")
def back(newest: EmbeddingSet, stranger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map that turns the axes back, with a variance that grows along one of them."""
    from hetvs.models.map_storage import save_map

    dim, begins = newest.space.dim, EmbeddingSet.load(stranger).space
    arrays = {
        "weight": np.roll(np.eye(dim, dtype=np.float32), -1, axis=0),
        "bias": np.zeros(dim, np.float32),
        "hidden.weight": np.eye(dim, dtype=np.float32),
        "hidden.bias": np.zeros(dim, np.float32),
        "out.weight": np.zeros((dim, dim), np.float32),
        "variance.weight": np.eye(dim, dtype=np.float32)[:1],
        "variance.bias": np.zeros(1, np.float32),
    }
    card = MapCard(
        method="mlp",
        direction="forward",
        from_space=begins,
        to_space=newest.space,
        from_model="v1",
        to_model=newest.model_digest,
        weights_digest=digest_of(arrays),
        pairs=9,
        fitted={},
    )
    folder = tmp_path_factory.mktemp("maps") / "back"
    save_map(folder, SpaceMap(card, arrays))
    return folder


@pytest.fixture
def plan(shapes_folder: Path, shapes_cloud: Path, old: Path, tmp_path: Path) -> Path:
    """A plan over all 48 images, ten chunks."""
    backfill.draft_plan(shapes_folder, old, shapes_cloud, PLAN).write(tmp_path / "plan")
    return tmp_path / "plan"
