"""A gallery model of several: its vector is the sum of theirs, wherever it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hetvs.config import FuseConfig, StudentConfig, TeacherConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError, IncompatibleSpaceError
from hetvs.fuse import fuse
from hetvs.manifest import Manifest
from hetvs.models.fused import Shrink
from hetvs.models.storage import load_run
from hetvs.training.student import train_student
from hetvs.training.teacher import train_teacher


@pytest.fixture(scope="module")
def shapes_edge(
    shapes: Manifest, shapes_cloud: Path, tiny_student: StudentConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished student of the cloud model."""
    output = tmp_path_factory.mktemp("runs") / "edge"
    train_student(shapes, shapes_cloud, output, tiny_student)
    return output


@pytest.fixture(scope="module")
def shapes_baseline(shapes: Manifest, tiny_teacher: TeacherConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a space of its own."""
    output = tmp_path_factory.mktemp("runs") / "baseline"
    train_teacher(shapes, output, replace(tiny_teacher, seed=1))
    return output


@pytest.mark.parametrize(("from_px", "to_px"), [(192, 32), (64, 24), (24, 24), (16, 40)])
def test_two_products_are_the_resize_with_antialias(from_px: int, to_px: int) -> None:
    pixels = torch.rand(2, 3, from_px, from_px) * 255
    expected = F.interpolate(pixels, size=(to_px, to_px), mode="bilinear", antialias=True)
    torch.testing.assert_close(Shrink(from_px, to_px)(pixels), expected, atol=1e-3, rtol=0)


def test_a_fused_run_is_the_weighted_sum_of_its_members(shapes_cloud: Path, shapes_edge: Path, tmp_path: Path) -> None:
    card = fuse(tmp_path / "gallery", FuseConfig(members=f"{shapes_cloud},{shapes_edge}", weights="1,0.5"))
    (cloud, cloud_card), (edge, edge_card) = load_run(shapes_cloud), load_run(shapes_edge)
    size, small = cloud_card.preprocess.size_px, edge_card.preprocess.size_px
    assert (card.space, card.preprocess.size_px) == (cloud_card.space, max(size, small))
    assert card.macs > cloud_card.macs + edge_card.macs

    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        shrunk = F.interpolate(images, size=(small, small), mode="bilinear", antialias=True)
        expected = F.normalize(cloud(images) + 0.5 * edge(shrunk), dim=1)
    np.testing.assert_allclose(open_encoder(tmp_path / "gallery").encode(pixels), expected.numpy(), atol=1e-5)


def test_the_gallery_leans_to_its_student(shapes_cloud: Path, shapes_edge: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 24, 24, 3), dtype=np.uint8)
    edge = load_run(shapes_edge)[0]
    sizes = {load_run(run)[1].preprocess.size_px for run in (shapes_cloud, shapes_edge)}
    cosines = []
    for weight in (0.1, 1.0, 10.0):
        output = tmp_path / str(weight)
        fuse(output, FuseConfig(members=f"{shapes_cloud},{shapes_edge}", weights=f"1,{weight}"))
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        large, small = (F.interpolate(images, (px, px), mode="bilinear", antialias=True) for px in sorted(sizes)[::-1])
        with torch.inference_mode():
            cosines.append(float((load_run(output)[0](large) * edge(small)).sum(1).mean()))
    assert cosines == sorted(cosines)
    assert cosines[-1] > 0.98


def test_models_of_two_spaces_are_not_added(shapes_cloud: Path, shapes_baseline: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompatibleSpaceError, match="is not gallery space"):
        fuse(tmp_path / "gallery", FuseConfig(members=f"{shapes_cloud},{shapes_baseline}"))
    assert not (tmp_path / "gallery").exists()


@pytest.mark.parametrize(
    ("members", "weights", "said"),
    [
        ("a", "", "members must be two runs or more"),
        ("a,b", "1", "weights must be one for each of 2 members"),
        ("a,b", "1,x", "weights must be numbers"),
        ("a,b", "1,0", "weights must be > 0"),
        ("a,b", "1,nan", "weights must be > 0"),
    ],
)
def test_bad_settings_are_one_line(members: str, weights: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        FuseConfig(members=members, weights=weights)


def test_nothing_to_fuse(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to fuse"):
        fuse(tmp_path / "gallery", FuseConfig())
