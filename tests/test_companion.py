"""A companion keeps a teacher's space within reach, lends it its prototypes, and stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hetvs.config import TeacherConfig
from hetvs.encoders import batches, embed, open_encoder
from hetvs.errors import ConfigError
from hetvs.files import digest_file
from hetvs.manifest import Manifest
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import load_prototypes
from hetvs.training.companion import Companions
from hetvs.training.teacher import train_teacher


def vectors(run: Path, manifest: Manifest) -> np.ndarray:
    return embed(open_encoder(run, threads=1), manifest, batches(manifest.rows("test"), 16)).vectors_ND


def test_a_teacher_with_a_companion_stays_close_to_it(
    shapes: Manifest, shapes_cloud: Path, tiny_teacher: TeacherConfig, tmp_path: Path
) -> None:
    before = digest_file(shapes_cloud / "model.safetensors")
    config = replace(tiny_teacher, seed=1, epochs=20)
    train_teacher(shapes, tmp_path / "alone", config)
    train_teacher(shapes, tmp_path / "close", replace(config, companion=str(shapes_cloud), companion_weight=20.0))
    companion = vectors(shapes_cloud, shapes)
    alone, close = ((vectors(tmp_path / name, shapes) * companion).sum(1).mean() for name in ("alone", "close"))
    assert close > 0.8 > alone + 0.2
    assert digest_file(shapes_cloud / "model.safetensors") == before


def test_prototypes_start_where_the_companion_has_the_class(shapes_cloud: Path) -> None:
    stored = load_prototypes(shapes_cloud)
    assert stored is not None
    head = PrototypeHead(2, 16, scale=1.0, margin=0.0)
    unknown = head.weight[1].clone()
    head.start_at(stored.rows_CD, stored.labels, [stored.labels[3], "never seen"])
    assert np.array_equal(head.weight[0].detach().numpy(), stored.rows_CD[3].numpy())
    assert np.array_equal(head.weight[1].detach().numpy(), unknown.detach().numpy())


def test_a_companion_of_another_dimension_is_refused(
    shapes: Manifest, shapes_cloud: Path, tiny_teacher: TeacherConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="has 16 dimensions, the teacher 8"):
        train_teacher(shapes, tmp_path / "run", replace(tiny_teacher, dim=8, companion=str(shapes_cloud)))


def test_a_teacher_stays_close_to_its_companion_on_images_without_labels(
    shapes: Manifest, shapes_folder: Path, shapes_cloud: Path, tiny_teacher: TeacherConfig, tmp_path: Path
) -> None:
    config = replace(tiny_teacher, companion=str(shapes_cloud), companion_weight=20.0, extra=str(shapes_folder))
    card = train_teacher(shapes, tmp_path / "run", config)
    assert card.training["images"] == len(shapes.rows("train")) + len(shapes)
    assert card.training["classes"] == 6
    with pytest.raises(ConfigError, match="extra images have no label to learn; give a companion"):
        replace(tiny_teacher, extra=str(shapes_folder))


def test_several_companions_have_a_space_in_common(shapes: Manifest, shapes_cloud: Path, tmp_path: Path) -> None:
    """Their cosine there is the mean of the members' cosines, as far as the cut keeps it; at full width exactly."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8))
    both = Companions.load([shapes_cloud, shapes_cloud], 8, "cpu")
    together = both.together(pixels)
    one = Companions.load([shapes_cloud], 16, "cpu").together(pixels)
    assert torch.equal(together, torch.cat([one, one], dim=1))
    full = both.fitted(together, 32).place(together)
    torch.testing.assert_close(full @ full.T, one @ one.T, atol=1e-5, rtol=0)
    cut = both.fitted(together, 8).place(together)
    assert cut.shape == (12, 8)
    torch.testing.assert_close(cut.norm(dim=1), torch.ones(12))


def test_a_teacher_learns_to_be_its_companions(
    shapes: Manifest, shapes_cloud: Path, tiny_teacher: TeacherConfig, tmp_path: Path
) -> None:
    train_teacher(shapes, tmp_path / "other", replace(tiny_teacher, seed=5, dim=12))
    runs = f"{shapes_cloud}, {tmp_path / 'other'}"
    config = replace(tiny_teacher, companion=runs, companion_weight=20.0, epochs=1)
    distances = []
    for epochs in (1, 20):
        train_teacher(shapes, tmp_path / str(epochs), replace(config, epochs=epochs))
        lines = (tmp_path / str(epochs) / "metrics.jsonl").read_text().splitlines()
        distances.append([json.loads(line)["companion"] for line in lines if "companion" in line][-1])
    assert distances[1] < 0.7 * distances[0]


def test_companions_that_are_too_narrow_together_are_refused(shapes_cloud: Path) -> None:
    with pytest.raises(ConfigError, match="the companions have 32 dimensions together, the teacher 64; lower dim"):
        Companions.load([shapes_cloud, shapes_cloud], 64, "cpu")
