"""train-teacher, on drawings small enough for a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from hetvs.config import TeacherConfig
from hetvs.manifest import Manifest
from hetvs.models.storage import load_prototypes, load_run
from hetvs.training.teacher import train_teacher


def test_a_teacher_gives_birth_to_a_space(shapes_cloud: Path) -> None:
    embedder, card = load_run(shapes_cloud)
    prototypes = load_prototypes(shapes_cloud)
    assert prototypes is not None
    assert prototypes.rows_CD.shape == (len(prototypes.labels), card.dim) == (6, 16)
    assert torch.allclose(prototypes.rows_CD.norm(dim=1), torch.ones(6), atol=1e-5)
    assert card.space.teacher_digest == card.weights_digest
    assert card.validation.keys() == {"val/g,g/recall@1", "val/g,g/map"}
    assert not embedder.training


def test_every_parameter_of_the_teacher_moves(shapes: Manifest, tmp_path: Path, tiny_teacher: TeacherConfig) -> None:
    runs = []
    for epochs, name in ((1, "a"), (3, "b")):
        train_teacher(shapes, tmp_path / name, replace(tiny_teacher, epochs=epochs))
        runs.append(load_run(tmp_path / name)[0])
    still = [n for (n, p), q in zip(runs[0].named_parameters(), runs[1].parameters(), strict=True) if torch.equal(p, q)]
    assert still == []


def test_a_frozen_backbone_keeps_its_bytes(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_teacher: TeacherConfig
) -> None:
    frozen = replace(tiny_teacher, freeze_backbone=True, views=2)
    train_teacher(shapes, tmp_path / "one", frozen)
    train_teacher(shapes, tmp_path / "two", replace(frozen, epochs=4))
    one, two = (load_run(tmp_path / name)[0] for name in ("one", "two"))
    trunks = [{n: t.numpy().tobytes() for n, t in model.trunk.state_dict().items()} for model in (one, two)]
    assert trunks[0] == trunks[1]
    assert not torch.equal(one.projection.weight, two.projection.weight)


def test_a_teacher_goes_on_from_a_run_at_another_size(
    shapes: Manifest, shapes_cloud: Path, tmp_path: Path, tiny_teacher: TeacherConfig
) -> None:
    still = replace(tiny_teacher, start=str(shapes_cloud), img_size=16, epochs=1, lr=1e-9)
    card = train_teacher(shapes, tmp_path / "next", still)
    first, last = load_run(shapes_cloud)[0], load_run(tmp_path / "next")[0]
    torch.testing.assert_close(first.projection.weight, last.projection.weight, atol=1e-6, rtol=0)
    before, after = (load_prototypes(run) for run in (shapes_cloud, tmp_path / "next"))
    assert before is not None
    assert after is not None
    torch.testing.assert_close(before.rows_CD, after.rows_CD, atol=1e-6, rtol=0)
    assert card.preprocess.size_px == 16
    assert card.space.space_id != load_run(shapes_cloud)[1].space.space_id
