"""What a point of the front gets of its own, in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hetvs.encoders import open_encoder
from hetvs.manifest import Manifest
from hetvs.models.embedder import Embedder
from hetvs.nas.refit import Targets, refit
from hetvs.nas.space import space_of
from hetvs.nas.supernet import embedder_of
from hetvs.preprocess import Preprocess
from hetvs.training.validation import read_pixels

N, H, D = 40, 6, 3


@pytest.fixture
def model() -> Embedder:
    torch.manual_seed(0)
    return Embedder(torch.nn.Flatten(), H, D, Preprocess(size_px=16)).eval()


def drawn(seed: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(N, D)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return torch.from_numpy(rng.normal(size=(N, H)).astype(np.float32)), torch.from_numpy(vectors)


def test_without_a_prior_it_is_least_squares_on_the_vectors_at_the_length_of_the_projection(model: Embedder) -> None:
    features, vectors = drawn(0)
    raw = model.projection(features).detach().numpy()
    length = np.linalg.norm(raw, axis=1).mean()
    wide = np.hstack([features.numpy(), np.ones((N, 1), np.float32)])
    expected = np.linalg.lstsq(wide, length * vectors.numpy(), rcond=None)[0]
    refit(model, features, vectors, prior=0.0)
    np.testing.assert_allclose(model.projection.weight.detach().numpy(), expected[:H].T, atol=1e-5)
    np.testing.assert_allclose(model.projection.bias.detach().numpy(), expected[H], atol=1e-5)


def test_under_a_heavy_prior_the_shared_projection_stays(model: Embedder) -> None:
    """Its weight stays; the bias has no prior."""
    features, vectors = drawn(1)
    before = model.projection.weight.detach().clone()
    refit(model, features, vectors, prior=1e9)
    torch.testing.assert_close(model.projection.weight.detach(), before, rtol=0, atol=1e-6)


def test_a_projection_that_leads_there_already_does_not_move(model: Embedder) -> None:
    features, vectors = drawn(2)
    features[:, :D] = vectors
    with torch.no_grad():
        model.projection.bias.zero_()
        model.projection.weight.copy_(2 * torch.eye(D, H))
    refit(model, features, vectors)
    torch.testing.assert_close(model.projection.weight.detach(), 2 * torch.eye(D, H), rtol=0, atol=1e-5)


def test_the_training_images_come_nearer_to_the_teacher(shapes: Manifest, shapes_cloud: Path) -> None:
    teacher = open_encoder(shapes_cloud, threads=1)
    targets = Targets.of(shapes, "", teacher)
    assert sorted(targets.rows) == sorted(shapes.rows("train"))
    torch.manual_seed(0)
    model = embedder_of(space_of("hetvs-s", (16,)).smallest(), teacher.card.dim).eval()
    weights = {name: value.detach().clone() for name, value in model.trunk.named_parameters()}

    def cosine() -> float:
        with torch.no_grad():
            vectors = model(torch.from_numpy(read_pixels(shapes, targets.rows, 16)))
        return float((vectors * targets.vectors_nD).sum(1).mean())

    before = cosine()
    targets.refit(model, 16)
    assert cosine() > before + 0.1
    for name, value in model.trunk.named_parameters():
        torch.testing.assert_close(value.detach(), weights[name], rtol=0, atol=0)
