"""train-student, on drawings small enough for a second."""

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
from hetvs.files import digest_file
from hetvs.manifest import Manifest
from hetvs.models.storage import load_run
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore
from hetvs.training.student import prototypes_of, train_student
from hetvs.training.teacher_views import Crops
from hetvs.training.view_cache import cached_views


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_student_joins_the_space_and_the_teacher_is_untouched(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    before = digest_file(shapes_cloud / "model.safetensors")
    card = train_student(shapes, shapes_cloud, tmp_path / "edge", tiny_student)
    assert digest_file(shapes_cloud / "model.safetensors") == before
    assert card.space == load_run(shapes_cloud)[1].space
    assert card.preprocess.size_px == 16
    terms = metrics(tmp_path / "edge")[-1]
    assert {"anchor", "context", "influence"} <= terms.keys()
    assert "relational" not in terms
    vectors = open_encoder(tmp_path / "edge").encode(
        np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    )
    assert (vectors < 0).any()
    assert (vectors > 0).any()  # a signed space is reached: no ReLU at the end


def test_the_anchor_pulls_the_student_to_the_teacher(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    long = replace(tiny_student, epochs=40, context=0.0, influence=0.0)
    train_student(shapes, shapes_cloud, tmp_path / "edge", long)
    anchors = [line["anchor"] for line in metrics(tmp_path / "edge") if "anchor" in line]
    assert anchors[-1] < 0.5 * anchors[0]


@pytest.mark.parametrize("kind", ["means", "denoised"])
def test_prototypes_may_be_class_means_where_the_teacher_has_its_own(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, kind: str
) -> None:
    teacher, store = open_encoder(shapes_cloud, threads=1), ImageStore(shapes, shapes.rows("train"), 24)
    views = cached_views(tmp_path / "v", teacher, Crops(store, Augment(), 0), views=2, student_px=16)
    own, means = (prototypes_of(shapes_cloud, views, choice) for choice in ("teacher", kind))
    assert own.labels == means.labels
    assert not torch.allclose(own.rows_CD, means.rows_CD, atol=1e-3)
    torch.testing.assert_close(means.rows_CD.norm(dim=1), torch.ones(6))


def test_a_teacher_without_prototypes_lends_class_means(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("model.safetensors", "card.json"):
        (bare / name).write_bytes((shapes_cloud / name).read_bytes())
    train_student(shapes, bare, tmp_path / "edge", tiny_student)
    assert metrics(tmp_path / "edge")[-1]["influence"] > 0


def test_relation_only_distillation_is_refused(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    alone = replace(tiny_student, anchor=0.0, context=0.0, influence=0.0, relational=1.0)
    with pytest.raises(ConfigError, match="relational is not anchored"):
        train_student(shapes, shapes_cloud, tmp_path / "edge", alone)
