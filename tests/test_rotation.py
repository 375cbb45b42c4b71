"""The basis of a rotated space, and what a prefix of vectors is: arrays alone, no trained model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.config import RotateConfig
from hetvs.errors import ArtifactError, ConfigError
from hetvs.models.embedder import Embedder
from hetvs.models.fold import fold
from hetvs.preprocess import Preprocess
from hetvs.refresh.rotation import basis_of, rotation_of


@given(st.integers(1, 6), st.integers(0, 99))
def test_a_basis_is_orthonormal_and_its_first_columns_hold_most(dim: int, seed: int) -> None:
    vectors_ND = np.random.default_rng(seed).normal(size=(40, dim)) + 1
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    basis_DD, energy_D = basis_of(vectors_ND)
    np.testing.assert_allclose(basis_DD.T @ basis_DD, np.eye(dim), atol=1e-12)
    assert (np.take_along_axis(basis_DD, np.abs(basis_DD).argmax(0)[None], axis=0) > 0).all()
    for m in range(1, dim + 1):  # the energy is that of the vectors' first components themselves
        kept = sum(float(((row @ basis_DD)[:m] ** 2).sum()) for row in vectors_ND) / 40
        assert energy_D[m - 1] == pytest.approx(kept)
        other = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(dim, dim)))[0]
        assert ((vectors_ND @ other)[:, :m] ** 2).sum() / 40 <= energy_D[m - 1] + 1e-12


def test_the_basis_is_not_centred() -> None:
    """All vectors lie near one direction: it is the first, though they hardly vary along it."""
    vectors_ND = np.array([[10, 1, 0], [10, -1, 0], [10, 0, 1], [10, 0, -1]]) / np.sqrt(101)
    basis_DD, energy_D = basis_of(vectors_ND)
    np.testing.assert_allclose(basis_DD[:, 0], [1, 0, 0], atol=1e-12)
    assert energy_D[0] == pytest.approx(100 / 101)


def test_no_cosine_of_many_components_changes() -> None:
    vectors_ND = np.random.default_rng(0).normal(size=(640, 64)) * np.geomspace(1, 0.01, 64) + 0.1
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    space = SpaceCard(teacher_digest="a", preprocess_digest="b", dim=64)
    vectors = EmbeddingSet(vectors_ND.astype(np.float32), tuple(map(str, range(640))), space, "m")
    placed_ND = rotation_of(vectors, {}, Path("v")).place(vectors.vectors_ND).astype(np.float64)
    before_ND = vectors.vectors_ND.astype(np.float64)
    assert np.abs(placed_ND @ placed_ND.T - before_ND @ before_ND.T).max() < 1e-6
    with pytest.raises(ConfigError, match="v: 639 vectors of the train split; a basis of D = 64 needs 640"):
        rotation_of(replace(vectors, vectors_ND=vectors.vectors_ND[1:], ids=vectors.ids[1:]), {}, Path("v"))


def test_too_few_vectors_have_no_basis() -> None:
    with pytest.raises(ValueError, match="3 vectors span no basis of D = 4"):
        basis_of(np.eye(4)[:3])


def test_a_folded_map_is_the_map_after_the_projection() -> None:
    torch.manual_seed(0)
    embedder = Embedder(nn.Identity(), 6, 4, Preprocess(size_px=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))
    features, weight = torch.randn(5, 6), torch.randn(3, 4)
    with torch.no_grad():
        expected = F.normalize(embedder.projection(features) @ weight.T, dim=1)
        fold(embedder, weight)
        torch.testing.assert_close(embedder.place(features), expected, atol=1e-6, rtol=0)


def test_a_prefix_of_zero_has_no_direction() -> None:
    space = SpaceCard(teacher_digest="a", preprocess_digest="b", dim=2).rotated("c")
    vectors = EmbeddingSet(np.array([[0, 1]], np.float32), ("x",), space, "m")
    with pytest.raises(ArtifactError, match=r"vector of 'x' has norm 0\.0"):
        vectors.prefix(1)


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"threads": -1}])
def test_bad_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be >="):
        RotateConfig(**settings)
