"""The loop, its averages, its views and its resumption, on drawings small enough for a second or two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from hetvs.config import TERMS, StudentConfig, TeacherConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import digest_file
from hetvs.manifest import Manifest, read_manifest
from hetvs.models.storage import load_prototypes, load_run
from hetvs.training.augment import Augment, downscale, draws
from hetvs.training.average import Average, recalibrate_batch_norm
from hetvs.training.images import ImageStore
from hetvs.training.loop import learning_rate_factor
from hetvs.training.run import CONFIG_NAME
from hetvs.training.student import StudentStage, prototypes_of, train_student
from hetvs.training.teacher import train_teacher
from hetvs.training.teacher_views import teacher_views

TEACHER = TeacherConfig(backbone="hetvs/edgenet", depth=1, img_size=24, source_size=24, epochs=2, batch_size=16,
                        dim=16, amp="off", threads=1)  # fmt: skip
STUDENT = StudentConfig(width=0.5, depth=1, img_size=16, source_size=24, epochs=4, batch_size=16, views=2, queue=32,
                        amp="off", threads=1)  # fmt: skip


def draw_shapes(folder: Path, classes: int = 12, domains: int = 4) -> Path:
    """Write `classes` drawings, each in `domains` hues, and their manifest: 2/3 train, the rest val and test."""
    (folder / "images").mkdir(parents=True)
    lines = ["path,label,domain,split"]
    for label in range(classes):
        split = ("train", "train", "val", "test")[label % 4]
        for domain in range(domains):
            rng = np.random.default_rng(label)
            image = Image.new("RGBA", (24, 24), (0, 0, 0, 0))
            pen = ImageDraw.Draw(image)
            for _ in range(4):
                x, y, w = (int(v) for v in rng.integers((0, 0, 4), (16, 16, 10)))
                ink = tuple(int(v) for v in (rng.integers(0, 180, 3) + domain * 20))
                pen.ellipse([x + domain, y, x + w + domain, y + w], fill=(*ink, 255))
            image.save(folder / "images" / f"{label}_{domain}.png")
            lines.append(f"images/{label}_{domain}.png,shape{label},pen{domain},{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_shapes(tmp_path_factory.mktemp("shapes") / "data")


@pytest.fixture(scope="module")
def manifest(data: Path) -> Manifest:
    return read_manifest(data)


@pytest.fixture(scope="module")
def cloud(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "cloud"
    output.mkdir()
    train_teacher(manifest, output, TEACHER)
    return output


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


# --- views -------------------------------------------------------------------------------------------------


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


def test_the_store_reads_what_evaluation_reads(manifest: Manifest) -> None:
    rows = manifest.rows("train")
    store = ImageStore(manifest, rows, 24)
    rgba = store.rgba([3, 3, 0]).float()
    on_white = rgba[:, :3] * rgba[:, 3:] / 255 + (255 - rgba[:, 3:])
    assert (on_white - store.plain([3, 3, 0], 24).float()).abs().max() <= 1


# --- averages ----------------------------------------------------------------------------------------------


def test_the_average_follows_a_naive_loop() -> None:
    model = nn.Linear(1, 1, bias=False)
    average, expected = Average(model, 0.9), model.weight.item()
    for step in range(1, 40):
        with torch.no_grad():
            model.weight.fill_(step)
        average.update(model)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.model.get_parameter("weight").item() == pytest.approx(expected, rel=1e-5)


def test_recalibration_gives_the_plain_mean_and_doing_it_twice_changes_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    batches = [torch.randn(32, 3) * 2 + 1 for _ in range(4)]
    recalibrate_batch_norm(model, batches)
    mean = model[0].get_buffer("running_mean").clone()
    assert torch.allclose(mean, torch.stack([b.mean(0) for b in batches]).mean(0), atol=1e-6)
    recalibrate_batch_norm(model, batches)
    assert torch.equal(model[0].get_buffer("running_mean"), mean)
    assert not any(module.training for module in model.modules())


def test_the_learning_rate_rises_once_and_falls_once() -> None:
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(100)]
    peak = int(np.argmax(factors))
    assert max(factors) == 1.0
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[-1] < 0.01


# --- stages ------------------------------------------------------------------------------------------------


def test_a_teacher_gives_birth_to_a_space(cloud: Path) -> None:
    embedder, card = load_run(cloud)
    prototypes = load_prototypes(cloud)
    assert prototypes is not None
    assert prototypes.rows_CD.shape == (len(prototypes.labels), card.dim) == (6, 16)
    assert torch.allclose(prototypes.rows_CD.norm(dim=1), torch.ones(6), atol=1e-5)
    assert card.space.teacher_digest == card.weights_digest
    assert card.validation.keys() == {"val/g,g/recall@1", "val/g,g/map"}
    assert not embedder.training


def test_every_parameter_of_the_teacher_moves(manifest: Manifest, tmp_path: Path) -> None:
    runs = []
    for epochs, name in ((1, "a"), (3, "b")):
        train_teacher(manifest, tmp_path / name, replace(TEACHER, epochs=epochs))
        runs.append(load_run(tmp_path / name)[0])
    still = [n for (n, p), q in zip(runs[0].named_parameters(), runs[1].parameters(), strict=True) if torch.equal(p, q)]
    assert still == []


def test_a_frozen_backbone_keeps_its_bytes(manifest: Manifest, cloud: Path, tmp_path: Path) -> None:
    frozen = replace(TEACHER, freeze_backbone=True, views=2)
    train_teacher(manifest, tmp_path / "one", frozen)
    train_teacher(manifest, tmp_path / "two", replace(frozen, epochs=4))
    one, two = (load_run(tmp_path / name)[0] for name in ("one", "two"))
    trunks = [{n: t.numpy().tobytes() for n, t in model.trunk.state_dict().items()} for model in (one, two)]
    assert trunks[0] == trunks[1]
    assert not torch.equal(one.projection.weight, two.projection.weight)


def test_a_student_joins_the_space_and_the_teacher_is_untouched(
    manifest: Manifest, cloud: Path, tmp_path: Path
) -> None:
    before = digest_file(cloud / "model.safetensors")
    card = train_student(manifest, cloud, tmp_path / "edge", STUDENT)
    assert digest_file(cloud / "model.safetensors") == before
    assert card.space == load_run(cloud)[1].space
    assert card.preprocess.size_px == 16
    terms = metrics(tmp_path / "edge")[-1]
    assert {"anchor", "context", "influence"} <= terms.keys()
    assert "relational" not in terms
    vectors = open_encoder(tmp_path / "edge").encode(
        np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    )
    assert (vectors < 0).any()
    assert (vectors > 0).any()  # a signed space is reached: no ReLU at the end


def test_the_anchor_pulls_the_student_to_the_teacher(manifest: Manifest, cloud: Path, tmp_path: Path) -> None:
    long = replace(STUDENT, epochs=40, context=0.0, influence=0.0)
    train_student(manifest, cloud, tmp_path / "edge", long)
    anchors = [line["anchor"] for line in metrics(tmp_path / "edge") if "anchor" in line]
    assert anchors[-1] < 0.5 * anchors[0]


@pytest.mark.parametrize("kind", ["means", "denoised"])
def test_prototypes_may_be_class_means_where_the_teacher_has_its_own(
    manifest: Manifest, cloud: Path, tmp_path: Path, kind: str
) -> None:
    teacher, store = open_encoder(cloud, threads=1), ImageStore(manifest, manifest.rows("train"), 24)
    views = teacher_views(tmp_path / "v", teacher, store, Augment(), views=2, seed=0, student_px=16)
    own, means = (prototypes_of(cloud, views, choice) for choice in ("teacher", kind))
    assert own.labels == means.labels
    assert not torch.allclose(own.rows_CD, means.rows_CD, atol=1e-3)
    torch.testing.assert_close(means.rows_CD.norm(dim=1), torch.ones(6))


def test_a_teacher_without_prototypes_lends_class_means(manifest: Manifest, cloud: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("model.safetensors", "card.json"):
        (bare / name).write_bytes((cloud / name).read_bytes())
    train_student(manifest, bare, tmp_path / "edge", STUDENT)
    assert metrics(tmp_path / "edge")[-1]["influence"] > 0


def test_relation_only_distillation_is_refused(manifest: Manifest, cloud: Path, tmp_path: Path) -> None:
    alone = replace(STUDENT, anchor=0.0, context=0.0, influence=0.0, relational=1.0)
    with pytest.raises(ConfigError, match="relational is not anchored"):
        train_student(manifest, cloud, tmp_path / "edge", alone)


# --- the cache of views ------------------------------------------------------------------------------------


def test_cached_views_replay_the_very_crop(
    manifest: Manifest, cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, store = open_encoder(cloud, threads=1), ImageStore(manifest, manifest.rows("train"), 24)
    images, views = np.array([5, 0, 11]), np.array([1, 0, 1])
    kept = teacher_views(tmp_path / "a", teacher, store, Augment(), views=2, seed=1, student_px=16)
    monkeypatch.setattr("hetvs.training.teacher_views.PIXEL_BUDGET_BYTES", 0)
    drawn = teacher_views(tmp_path / "b", teacher, store, Augment(), views=2, seed=1, student_px=16)
    assert drawn.pixels is None
    assert torch.equal(kept.batch(images, views)[0], drawn.batch(images, views)[0])
    crops = Augment().render(store.rgba(images), draws(1, images, views), 24)
    assert np.allclose(teacher.encode(crops.permute(0, 2, 3, 1).numpy()), kept.batch(images, views)[1], atol=1e-5)


def test_stale_views_are_refused(manifest: Manifest, cloud: Path, tmp_path: Path) -> None:
    teacher, store = open_encoder(cloud, threads=1), ImageStore(manifest, manifest.rows("train"), 24)
    teacher_views(tmp_path / "v", teacher, store, Augment(), views=1, seed=0, student_px=16)
    with pytest.raises(ArtifactError, match=r"stale \(other augmentation"):
        teacher_views(tmp_path / "v", teacher, store, Augment(zoom=(1, 1)), views=1, seed=0, student_px=16)
    fewer = ImageStore(manifest, manifest.rows("train")[1:], 24)
    with pytest.raises(ArtifactError, match=r"stale \(other images"):
        teacher_views(tmp_path / "v", teacher, fewer, Augment(), views=1, seed=0, student_px=16)


# --- killed and resumed ------------------------------------------------------------------------------------

SETTINGS = (
    "--img-size 16 --source-size 24 --epochs 100 -b 16 --views 2 --queue 32 --width 0.5 --depth 1 "
    "--amp off --threads 1 --checkpoint-every 0.1"
)


def student_command(data: Path, cloud: Path, output: Path, *more: str) -> list[str]:
    main = "from hetvs.cli import main; main()"
    return [sys.executable, "-c", main, "train-student", str(data), "--teacher", str(cloud), "-o", str(output),
            *SETTINGS.split(), *more]  # fmt: skip


def test_an_interrupted_student_resumes_to_the_same_weights(
    manifest: Manifest, cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = dict.fromkeys(TERMS, 0.1)
    config = replace(STUDENT, epochs=10, queue=20, checkpoint_every=0.0, focal=1.0, **everything)
    train_student(manifest, cloud, tmp_path / "whole", config)
    terms, calls = StudentStage.terms, []

    def fails_once(stage: StudentStage, images: np.ndarray, epoch: int) -> dict[str, torch.Tensor]:
        calls.append(epoch)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return terms(stage, images, epoch)

    monkeypatch.setattr(StudentStage, "terms", fails_once)
    with pytest.raises(KeyboardInterrupt):
        train_student(manifest, cloud, tmp_path / "cut", config)
    train_student(manifest, cloud, tmp_path / "cut", config, resume=True)
    assert len(calls) == 11  # five steps, the one that failed, and the five that were left
    assert digest_file(tmp_path / "whole/model.safetensors") == digest_file(tmp_path / "cut/model.safetensors")


@pytest.mark.slow
def test_a_killed_student_resumes_to_the_same_weights(data: Path, cloud: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(student_command(data, cloud, whole), check=True, capture_output=True)
    process = subprocess.Popen(
        student_command(data, cloud, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = killed / "checkpoints" / "last.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.is_file() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(np.random.default_rng().uniform(0, 0.3))  # a random moment after the first checkpoint
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "card.json").exists(), "the run ended before it could be killed"
    subprocess.run(student_command(data, cloud, killed, "--resume"), check=True, capture_output=True)
    assert digest_file(whole / "model.safetensors") == digest_file(killed / "model.safetensors")
    steps = [line["step"] for line in metrics(killed)]
    assert steps == sorted(set(steps)), "a step is reported twice"


def test_resuming_with_other_settings_is_refused(manifest: Manifest, cloud: Path, tmp_path: Path) -> None:
    train_student(manifest, cloud, tmp_path / "edge", STUDENT)
    with pytest.raises(ConfigError, match=f"{CONFIG_NAME}: the run was started with lr = 0.003, not 0.1"):
        train_student(manifest, cloud, tmp_path / "edge", replace(STUDENT, lr=0.1), resume=True)
