"""How a student is trained: warm starts, the closed form, unlabelled images, noise, controls."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hetvs.config import StudentConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.manifest_join import with_unlabelled
from hetvs.models.storage import load_run
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore, images_of
from hetvs.training.noise import photometric
from hetvs.training.ridge import fit_projection, ridge
from hetvs.training.student import train_student
from hetvs.training.student_stage import class_numbers
from hetvs.training.teacher_views import Crops
from hetvs.training.view_cache import cached_views


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_ridge_is_least_squares_with_a_free_bias() -> None:
    rng = np.random.default_rng(0)
    features, vectors = rng.normal(2.0, 1.0, (50, 4)), rng.normal(size=(50, 3))
    weight, bias = ridge(torch.from_numpy(features), torch.from_numpy(vectors), damping=1e-12)
    with_ones = np.column_stack([features, np.ones(50)])
    expected = np.linalg.lstsq(with_ones, vectors, rcond=None)[0]
    np.testing.assert_allclose(np.column_stack([weight, bias]).T, expected, atol=1e-8)


def test_a_large_damping_leaves_the_mean_alone() -> None:
    features, vectors = torch.randn(40, 5), torch.randn(40, 2)
    weight, bias = ridge(features, vectors, damping=1e9)
    assert weight.abs().max() < 1e-6
    torch.testing.assert_close(bias, vectors.double().mean(0), atol=1e-6, rtol=0)


def test_a_fit_lowers_the_distance_to_the_teacher(shapes: Manifest, shapes_cloud: Path, tmp_path: Path) -> None:
    teacher = open_encoder(shapes_cloud, threads=1)
    crops = Crops(ImageStore(shapes, shapes.rows("train"), 24), Augment(), 0)
    views = cached_views(tmp_path, teacher, crops, views=2, student_px=24)
    model, _ = load_run(shapes_cloud)
    with torch.no_grad():
        model.projection.weight.copy_(torch.randn_like(model.projection.weight))
    pixels, target = views.batch(np.arange(24), 0)
    before = (model(pixels) * target).sum(1).mean().item()
    fit_projection(model, views, device="cpu", training=False)
    after = (model(pixels) * target).sum(1).mean().item()
    assert after > max(0.9, before)


def test_no_epochs_fit_the_projection_of_a_given_trunk(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    base = replace(tiny_student, width=1.0, img_size=24)
    head_only = replace(base, start=str(shapes_cloud), epochs=0, ridge="end", pretrained=False)
    card = train_student(shapes, shapes_cloud, tmp_path / "head", head_only)
    first, last = load_run(shapes_cloud)[0], load_run(tmp_path / "head")[0]
    assert all(torch.equal(a, b) for a, b in zip(first.trunk.parameters(), last.trunk.parameters(), strict=True))
    assert not torch.equal(first.projection.weight, last.projection.weight)
    assert card.space == load_run(shapes_cloud)[1].space
    assert card.validation["val/cosine"] > 0.9


def test_a_start_of_another_architecture_is_refused(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    with pytest.raises(ConfigError, match="is hetvs/edgenet"):
        train_student(shapes, shapes_cloud, tmp_path / "edge", replace(tiny_student, start=str(shapes_cloud)))


def test_ridge_at_both_ends_beats_none_after_a_short_training(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    cosines = [
        train_student(
            shapes, shapes_cloud, tmp_path / choice, replace(tiny_student, epochs=2, ridge=choice)
        ).validation["val/cosine"]
        for choice in ("off", "both")
    ]
    assert cosines[1] > cosines[0]


def test_a_student_follows_on_images_without_labels(
    shapes: Manifest, shapes_folder: Path, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    config = replace(tiny_student, extra=str(shapes_folder), anchor=0.0, context=0.0, influence=1.0)
    store = images_of(shapes, config)
    assert len(store) == len(shapes.rows("train")) + len(shapes)
    labels = class_numbers(store.manifest.labels[store.rows], tuple(sorted(set(shapes.labels.tolist()))))
    assert (labels[: len(shapes.rows("train"))] >= 0).all()
    assert (labels[len(shapes.rows("train")) :] == -1).all()
    card = train_student(shapes, shapes_cloud, tmp_path / "edge", replace(config, epochs=1))
    assert card.training["images"] == len(store)


def test_unlabelled_rows_ask_nobody_and_answer_nobody(shapes: Manifest) -> None:
    joined = with_unlabelled(shapes, shapes)
    added = np.arange(len(shapes), len(joined))
    assert len(set(joined.ids.tolist())) == len(joined)
    assert not joined.is_query[added].any()
    assert not joined.is_gallery[added].any()
    assert set(joined.splits[added]) == {"train"}
    for split in ("train", "val", "test"):
        assert [r for r in joined.rows(split) if r < len(shapes)] == shapes.rows(split).tolist()


def test_noise_is_the_students_own_and_repeatable() -> None:
    pixels, images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8), np.arange(6)
    assert photometric(pixels, images, seed=0, epoch=0, strength=0.0) is pixels
    shown = []
    for epoch in (1, 1, 2):
        torch.manual_seed(epoch)
        shown.append(photometric(pixels, images, seed=0, epoch=epoch, strength=1.0))
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])
    assert shown[0].dtype == torch.uint8
    gentle = photometric(pixels, images, seed=0, epoch=1, strength=0.05)
    assert (gentle.float() - pixels.float()).abs().mean() < (shown[0].float() - pixels.float()).abs().mean()


def test_a_live_teacher_trains_with_mixed_images(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    live = replace(tiny_student, views=0, mixup=True, context=0.0, influence=0.0, epochs=30)
    train_student(shapes, shapes_cloud, tmp_path / "edge", live)
    anchors = [line["anchor"] for line in metrics(tmp_path / "edge") if "anchor" in line]
    assert anchors[-1] < 0.7 * anchors[0]
    assert not (tmp_path / "edge" / "views").exists()
    with pytest.raises(ConfigError, match="a mixed image has no label, which influence needs"):
        train_student(shapes, shapes_cloud, tmp_path / "no", replace(live, influence=0.2))


def test_a_control_gets_a_space_of_its_own(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    alone = replace(tiny_student, anchor=0.0, context=0.0, influence=0.0, relational=1.0)
    card = train_student(shapes, shapes_cloud, tmp_path / "edge", alone, control=True)
    assert card.role == "control"
    assert card.space.space_id != load_run(shapes_cloud)[1].space.space_id
