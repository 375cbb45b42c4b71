"""Random views are pure functions of their key; cached ones replay the very crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hetvs.encoders import open_encoder
from hetvs.manifest import Manifest
from hetvs.preprocess import Preprocess, open_rgba
from hetvs.training.augment import Augment, downscale, draws
from hetvs.training.images import ImageStore
from hetvs.training.teacher_views import Crops, LiveViews
from hetvs.training.view_cache import cached_views


def test_a_view_depends_on_seed_image_and_view_alone() -> None:
    alone = draws(3, np.array([7]), np.array([2]))
    among = draws(3, np.array([1, 7, 9]), np.array([0, 2, 2]))
    assert torch.equal(alone[0], among[1])
    others = [draws(s, np.array([i]), np.array([v])) for s, i, v in ((4, 7, 2), (3, 8, 2), (3, 7, 3))]
    assert all(not torch.equal(alone, other) for other in others)


def test_the_identity_view_is_the_image_on_white() -> None:
    still = Augment(zoom=(1, 1), rotation=0, shift=0, aspect=0, shear=0, jitter=0, grey=0, mono=0, invert=0,
                    white_ground=1)  # fmt: skip
    rgba = torch.randint(0, 256, (2, 4, 8, 8), dtype=torch.uint8)
    alpha = rgba[:, 3:].float() / 255
    expected = rgba[:, :3].float() * alpha + 255 * (1 - alpha)
    view = still.render(rgba, draws(0, np.arange(2), np.zeros(2)), 8)
    assert (view.float() - expected).abs().max() <= 1


def test_views_stay_in_range_and_differ() -> None:
    rgba = torch.randint(0, 256, (64, 4, 16, 16), dtype=torch.uint8)
    first, second = (Augment(erase=1.0).render(rgba, draws(0, np.arange(64), np.full(64, v)), 12) for v in (0, 1))
    assert first.shape == (64, 3, 12, 12)
    assert first.dtype == torch.uint8
    assert (first.float() - second.float()).abs().mean() > 5


def test_downscaling_keeps_a_flat_image_and_the_size_it_has() -> None:
    flat = torch.full((1, 3, 12, 12), 77, dtype=torch.uint8)
    assert torch.equal(downscale(flat, 6), torch.full((1, 3, 6, 6), 77, dtype=torch.uint8))
    assert downscale(flat, 12) is flat


def test_the_store_reads_what_evaluation_reads(shapes: Manifest) -> None:
    rows = shapes.rows("train")
    store = ImageStore(shapes, rows, 24)
    rgba = store.rgba([3, 3, 0]).float()
    on_white = rgba[:, :3] * rgba[:, 3:] / 255 + (255 - rgba[:, 3:])
    read = Preprocess(size_px=24).read
    expected = np.stack([read(shapes.paths[rows[i]]) for i in (3, 3, 0)]).transpose(0, 3, 1, 2)
    assert (on_white - torch.from_numpy(expected).float()).abs().max() <= 1


@pytest.mark.parametrize("budget", [1 << 30, 0])
def test_a_store_within_its_budget_reads_every_file_before_the_work(
    shapes: Manifest, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("hetvs.training.images.MEMORY_BUDGET_BYTES", budget)
    monkeypatch.setattr(
        "hetvs.training.images.open_rgba", lambda path, box: opened.append(path) or open_rgba(path, box)
    )
    store = ImageStore(shapes, shapes.rows("train"), 24).preload()
    assert len(opened) == (24 if budget else 0)
    store.rgba([0, 1])
    assert len(opened) == (24 if budget else 2)


def test_cached_views_replay_the_very_crop(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, store = open_encoder(shapes_cloud, threads=1), ImageStore(shapes, shapes.rows("train"), 24)
    images, views = np.array([5, 0, 11]), np.array([0, 1, 0])  # (image + epoch) % 2 in epoch 1
    crops = Crops(store, Augment(), 1)
    kept = cached_views(tmp_path / "a", teacher, crops, views=2, student_px=16)
    monkeypatch.setattr("hetvs.training.view_cache.PIXEL_BUDGET_BYTES", 0)
    drawn = cached_views(tmp_path / "b", teacher, crops, views=2, student_px=16)
    assert drawn.pixels is None
    assert torch.equal(kept.batch(images, 1)[0], drawn.batch(images, 1)[0])
    shown = Augment().render(store.rgba(images), draws(1, images, views), 24)
    assert np.allclose(teacher.encode(shown.permute(0, 2, 3, 1).numpy()), kept.batch(images, 1)[1], atol=1e-5)


def test_views_in_several_files_are_those_in_one(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, crops = (
        open_encoder(shapes_cloud, threads=1),
        Crops(ImageStore(shapes, shapes.rows("train"), 24), Augment(), 0),
    )
    whole = cached_views(tmp_path, teacher, crops, views=2, student_px=16)
    images = np.array([23, 0, 9, 10])
    shown, _ = whole.batch(images, 1)
    monkeypatch.setattr("hetvs.training.view_cache.PART", 10)  # of 24 images
    parts = cached_views(tmp_path, teacher, crops, views=2, student_px=16)
    assert len(list(tmp_path.iterdir())) == 2  # another folder, since its files are of other images
    assert len(list(tmp_path.glob("*/vectors_*.npy"))) == 2 * (1 + 3)
    assert torch.allclose(parts.vectors(), whole.vectors(), atol=1e-6)
    assert torch.equal(parts.batch(images, 1)[0], shown)


def test_shared_views_are_made_once_and_never_read_stale(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, rows = open_encoder(shapes_cloud, threads=1), shapes.rows("train")
    crops = Crops(ImageStore(shapes, rows, 24), Augment(), 0)
    first = cached_views(tmp_path, teacher, crops, views=1, student_px=16)
    asked: list[int] = []
    encode = type(teacher).encode
    monkeypatch.setattr(type(teacher), "encode", lambda self, x: asked.append(len(x)) or encode(self, x))
    other_size = cached_views(tmp_path, teacher, crops, views=1, student_px=12)
    assert asked == []  # another student's pixels need no teacher
    assert torch.equal(first.vectors(), other_size.vectors())
    assert other_size.batch(np.arange(2), 0)[0].shape == (2, 3, 12, 12)
    fewer = Crops(ImageStore(shapes, rows[1:], 24), Augment(), 0)
    for changed in (Crops(crops.store, Augment(zoom=(1, 1)), 0), Crops(crops.store, Augment(), 1), fewer):
        asked.clear()
        cached_views(tmp_path, teacher, changed, views=1, student_px=16)
        assert sum(asked) == len(changed.store)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_live_teacher_sees_what_its_student_sees(shapes: Manifest, shapes_cloud: Path) -> None:
    teacher = open_encoder(shapes_cloud, threads=1)
    crops = Crops(ImageStore(shapes, shapes.rows("train"), 24), Augment(), 3)
    images = np.array([4, 9, 2])
    live = LiveViews(crops, teacher, 24, mixup=False)
    for epoch in (0, 7):
        pixels, vectors = live.batch(images, epoch)
        assert torch.equal(pixels, crops.render(images, np.full(3, epoch), 24))
        assert np.allclose(teacher.encode(pixels.permute(0, 2, 3, 1).numpy()), vectors, atol=1e-6)
    assert not torch.equal(live.batch(images, 0)[0], live.batch(images, 1)[0])
    mixed, target = LiveViews(crops, teacher, 24, mixup=True).batch(images, 7)
    plain = crops.render(images, np.full(3, 7), 24).float()
    between = torch.minimum(plain, plain.roll(1, 0)) - 1, torch.maximum(plain, plain.roll(1, 0)) + 1
    assert ((mixed >= between[0]) & (mixed <= between[1])).all()
    assert not torch.equal(mixed.float(), plain)
    assert np.allclose(teacher.encode(mixed.permute(0, 2, 3, 1).numpy()), target, atol=1e-6)


@pytest.mark.parametrize("live", [True, False])
def test_a_student_with_a_larger_input_than_its_teacher_sees_every_pixel(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, live: bool
) -> None:
    teacher = open_encoder(shapes_cloud, threads=1)  # 24 px
    crops, images = Crops(ImageStore(shapes, shapes.rows("train"), 48), Augment(), 0), np.arange(3)
    if live:
        pixels, _ = LiveViews(crops, teacher, 40, mixup=False).batch(images, 0)
    else:
        pixels, _ = cached_views(tmp_path, teacher, crops, views=1, student_px=40).batch(images, 0)
    assert torch.equal(pixels, crops.render(images, np.zeros(3, int), 40))
