"""A library's model as a teacher: weights on this machine, or random ones by an explicit word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import ShuffleNet_V2_X0_5_Weights, get_model

from hetvs.config import StudentConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.training.student import train_student

NAME = "torchvision/shufflenet_v2_x0_5"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch's weights."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_random_weights_are_one_space_in_every_process_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (open_encoder(Path(f"{NAME}:random"), threads=1) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.card.space == second.card.space
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    vectors = first.encode(pixels)
    assert vectors.shape == (2, first.card.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.usefixtures("cache")
def test_weights_that_are_not_here_are_not_fetched_and_not_made_up() -> None:
    with pytest.raises(ConfigError, match=f"are not there; put them there, or ask for {NAME}:random"):
        open_encoder(Path(NAME), threads=1)
    with pytest.raises(ConfigError, match="no weights of timm are read"):
        open_encoder(Path("timm/resnet18"), threads=1)
    with pytest.raises(ConfigError, match="torchvision has no weights of it"):
        open_encoder(Path("torchvision/resnet19"), threads=1)


def test_weights_in_the_cache_are_used(cache: Path) -> None:
    torch.manual_seed(1)
    model = get_model("shufflenet_v2_x0_5", weights=None).eval()
    url = ShuffleNet_V2_X0_5_Weights.DEFAULT.url
    torch.save(model.state_dict(), cache / url.rpartition("/")[2])
    encoder = open_encoder(Path(NAME), threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    scaled = torch.from_numpy(((pixels - mean) / std).transpose(0, 3, 1, 2)).float()
    model.fc = torch.nn.Identity()
    with torch.no_grad():
        raw = model(scaled).numpy()
    np.testing.assert_allclose(encoder.encode(pixels), raw / np.linalg.norm(raw), atol=1e-5)
    torch.save({}, cache / url.rpartition("/")[2])
    with pytest.raises(ConfigError, match="has no weights of conv1"):
        open_encoder(Path(NAME), threads=1)


def test_a_student_follows_a_library_model(shapes: Manifest, tmp_path: Path, tiny_student: StudentConfig) -> None:
    config = replace(tiny_student, epochs=1, views=1, influence=0.0)
    card = train_student(shapes, Path(f"{NAME}:random"), tmp_path / "edge", config)
    assert card.training["teacher"] == f"{NAME}:random"
    assert card.dim == 1024
