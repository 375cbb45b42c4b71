"""The student's step: which terms are summed, with which weight, and when."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from hetvs.cli import main
from hetvs.config import TERMS, StudentConfig
from hetvs.encoders import open_encoder
from hetvs.manifest import read_manifest
from hetvs.models.backbones import build_backbone
from hetvs.models.embedder import Embedder
from hetvs.preprocess import Preprocess
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore
from hetvs.training.student import StudentStage, prototypes_of, train_student
from hetvs.training.teacher_views import Crops
from hetvs.training.view_cache import cached_views

SMALL = StudentConfig(backbone="hetvs/edgenet", width=0.5, depth=1, img_size=16, source_size=24, epochs=3, ridge="off",
                      batch_size=8, views=2, queue=8, push_margin=2.0, amp="off", threads=1)  # fmt: skip
EVERY_TERM: dict[str, Any] = dict.fromkeys(TERMS, 0.5)
TYPED = (
    "--backbone hetvs/edgenet --img-size 16 --source-size 24 --epochs 1 -b 8 --views 1 --width 0.5 --depth 1 "
    "--amp off --threads 1"
)
FIRST, SECOND = np.arange(8), np.arange(4, 12)  # of the 16 train images: E, F, G, H, E, F, ...


def stage_of(letters: Path, teacher: Path, folder: Path, config: StudentConfig) -> StudentStage:
    """A student after the terms of one batch, which filled its queue."""
    torch.manual_seed(config.seed)
    manifest, encoder = read_manifest(letters), open_encoder(teacher, threads=1)
    store = ImageStore(manifest, manifest.rows("train"), config.source_size)
    views = cached_views(folder, encoder, Crops(store, Augment(), 0), views=2, student_px=config.img_size)
    backbone = build_backbone(config.backbone, {"width": config.width, "depth": config.depth}, config.img_size)
    model = Embedder(backbone.trunk, backbone.features, encoder.card.dim, backbone.preprocess)
    stage = StudentStage(views, model, prototypes_of(teacher, views, config.prototypes), config, encoder)
    stage.terms(FIRST, epoch=0)
    return stage


def test_each_weight_changes_exactly_its_own_term(letters: Path, run_folder: Path, tmp_path: Path) -> None:
    """P3: the terms of one batch, with each weight doubled in turn."""
    base = replace(SMALL, **EVERY_TERM)
    expected = stage_of(letters, run_folder, tmp_path, base).terms(SECOND, epoch=1)
    assert tuple(expected) == TERMS
    assert all(value > 0 for value in expected.values())
    for changed in TERMS:
        config = replace(base, **{changed: 1.0})
        for name, value in stage_of(letters, run_folder, tmp_path, config).terms(SECOND, epoch=1).items():
            assert value.item() == pytest.approx((2 if name == changed else 1) * expected[name].item(), rel=1e-5), name


def test_beta_changes_anchor_and_context_alone(letters: Path, run_folder: Path, tmp_path: Path) -> None:
    base = replace(SMALL, **EVERY_TERM)
    plain, focused = (stage_of(letters, run_folder, tmp_path, replace(base, focal=beta)) for beta in (0.0, 5.0))
    focused.pull.right = torch.arange(16) % 2 == 0
    before, after = plain.terms(SECOND, epoch=1), focused.terms(SECOND, epoch=1)
    changed = {name for name in TERMS if after[name].item() != pytest.approx(before[name].item(), rel=1e-5)}
    assert changed == {"anchor", "context"}


def test_the_teacher_is_asked_which_whole_images_it_retrieves(letters: Path, run_folder: Path, tmp_path: Path) -> None:
    stage = stage_of(letters, run_folder, tmp_path, replace(SMALL, focal=5.0))
    assert stage.pull.right is not None
    manifest, read = stage.views.store.manifest, Preprocess(size_px=32).read
    pixels = np.stack([read(manifest.paths[row]) for row in stage.views.store.rows])
    vectors = open_encoder(run_folder, threads=1).encode(pixels)
    labels = np.array(list("EFGH" * 4))
    first = (vectors @ vectors.T - 2 * np.eye(16)).argmax(axis=1)
    assert stage.pull.right.tolist() == (labels[first] == labels).tolist()


def test_the_queue_knows_the_class_of_each_key(letters: Path, run_folder: Path, tmp_path: Path) -> None:
    queue = stage_of(letters, run_folder, tmp_path, SMALL).pull.queue
    assert [("E", "F", "G", "H")[label] for label in queue.labels_S] == list("EFGHEFGH")
    assert queue.images_S.tolist() == FIRST.tolist()


def test_before_the_queue_is_full_its_terms_wait(letters: Path, run_folder: Path, tmp_path: Path) -> None:
    alone = replace(SMALL, anchor=0.0, influence=0.0)
    card = train_student(read_manifest(letters), run_folder, tmp_path, alone)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["filling_queue"] == 0
    assert lines[1]["context"] > 0
    assert card.training["terms"] == {"context": 4.0}


def test_the_command_says_which_terms_are_active(letters: Path, run_folder: Path, tmp_path: Path) -> None:
    words = ["train-student", str(letters), "--teacher", str(run_folder), "-o", str(tmp_path / "edge")]
    weights = ["--context", "0", "--ract", "1", "--focal", "5"]
    result = CliRunner().invoke(main, [*words, *TYPED.split(), *weights])
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("terms: anchor 5, ract 1; focal beta 5\n")
