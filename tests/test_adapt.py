from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.cli import main
from hetvs.config import AdaptConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.models.map_storage import load_map
from hetvs.refresh.judge_map import judge_map
from hetvs.refresh.maps import MapCard, SpaceMap, digest_of
from hetvs.refresh.versions import VersionedVectors
from hetvs.retrieval.matrix import Judged, cell
from hetvs.retrieval.protocols import protocol_of
from hetvs.training.adapt import adapt

FAST = AdaptConfig(draws=200, threads=1)
TYPED = ("--draws", 200, "--threads", 1)
MakeVectors = Callable[..., EmbeddingSet]


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    """Sixty classes to learn on, fifteen of val and of test, four images each; no pictures."""
    classes = np.repeat(np.arange(90), 4)
    splits = np.array(["train", "val", "test"])[np.where(classes < 60, 0, np.where(classes < 75, 1, 2))]
    return make_manifest([f"c{number:02d}" for number in classes], splits=splits.tolist())


Save = Callable[[Manifest], tuple[Path, Path]]


@pytest.fixture
def save_sides(make_vectors: MakeVectors, tmp_path: Path) -> Save:
    """Write vectors of an old model, in a turned space and blurred, and of a new one."""
    return lambda manifest: _save_sides(manifest, make_vectors, tmp_path)


@pytest.fixture
def sides(manifest: Manifest, save_sides: Save) -> tuple[Path, Path]:
    return save_sides(manifest)


def _save_sides(manifest: Manifest, make_vectors: MakeVectors, tmp_path: Path) -> tuple[Path, Path]:
    new = make_vectors(manifest, noise=0.3, seed=1, space="new")
    rough = make_vectors(manifest, noise=1.2, seed=2, space="new")
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(16, 16)))
    space = SpaceCard(teacher_digest="old", preprocess_digest="toy", dim=16)
    old = EmbeddingSet((rough.vectors_ND @ turn).astype(np.float32), rough.ids, space, "v1")
    for name, vectors in (("old", old), ("new", new)):
        vectors.save(tmp_path / name)
    return tmp_path / "old", tmp_path / "new"


def test_a_forward_map_lets_the_new_model_ask_the_old_gallery(manifest: Manifest, sides: tuple[Path, Path]):
    space_map, judgement = adapt(manifest, *sides, FAST)
    old, new = (EmbeddingSet.load(side) for side in sides)
    judged = Judged.of(manifest, protocol_of(manifest, "manifest", "val"))
    rows = [new.ids.index(image_id) for image_id in judged.ids.tolist()]
    mapped_nD, new_nD, old_nD = space_map.place(old.vectors_ND[rows]), new.vectors_ND[rows], old.vectors_ND[rows]
    for estimate, query_nD, gallery_nD in (
        (judgement.crossed, new_nD, mapped_nD),
        (judgement.old_old, old_nD, old_nD),
        (judgement.new_new, new_nD, new_nD),
    ):
        scores = cell(judged, ("q", query_nD), ("g", gallery_nD), (1,), threads=1)
        assert estimate["map"].value == pytest.approx(scores.per_query["map"].mean(), abs=1e-12)
    assert judgement.rule["map"].verdict == "holds"
    assert space_map.card.rule["rule"]["map"]["verdict"] == "holds"
    assert space_map.card.pairs == len(manifest.rows("train"))
    unmapped = cell(judged, ("q", new_nD), ("g", old_nD), (1,), threads=1).per_query["map"].mean()
    assert judgement.crossed["map"].value > unmapped + 0.1


def test_a_backward_map_is_judged_on_the_query_side(manifest: Manifest, sides: tuple[Path, Path]):
    old, new = sides
    space_map, judgement = adapt(manifest, new, old, AdaptConfig(direction="backward", draws=200, threads=1))
    vectors = [EmbeddingSet.load(side) for side in sides]
    judged = Judged.of(manifest, protocol_of(manifest, "manifest", "val"))
    old_nD, new_nD = (v.vectors_ND[[v.ids.index(i) for i in judged.ids.tolist()]] for v in vectors)
    scores = cell(judged, ("q", space_map.place(new_nD)), ("g", old_nD), (1,), threads=1)
    assert judgement.crossed["map"].value == pytest.approx(scores.per_query["map"].mean(), abs=1e-12)
    assert judgement.old_old["map"].value < judgement.new_new["map"].value
    assert "M(mapped new, old) > M(old,old)" in judgement.sentences()[0]


def test_a_bad_map_is_told_so(manifest: Manifest, sides: tuple[Path, Path]):
    """P21: a map that turns nothing back still gets its verdict."""
    old, new = (EmbeddingSet.load(side) for side in sides)
    judged = Judged.of(manifest, protocol_of(manifest, "manifest", "val"))
    arrays = {"weight": np.eye(16, dtype=np.float32), "bias": np.zeros(16, np.float32)}
    card = MapCard(
        method="procrustes",
        direction="forward",
        from_space=old.space,
        to_space=new.space,
        from_model="v1",
        to_model="v2",
        weights_digest=digest_of(arrays),
        pairs=1,
        fitted={},
    )
    rows = [new.ids.index(image_id) for image_id in judged.ids.tolist()]
    judgement = judge_map(judged, SpaceMap(card, arrays), old.vectors_ND[rows], new.vectors_ND[rows], FAST)
    assert judgement.rule["map"].verdict == "does not hold"


def test_test_images_teach_nothing(manifest: Manifest, sides: tuple[Path, Path], tmp_path: Path):
    fitted, _ = adapt(manifest, *sides, FAST)
    old = EmbeddingSet.load(sides[0])
    spoilt = old.vectors_ND.copy()
    spoilt[manifest.rows("test")] = np.eye(16, dtype=np.float32)[0]
    EmbeddingSet(spoilt, old.ids, old.space, "v1").save(tmp_path / "spoilt")
    again, _ = adapt(manifest, tmp_path / "spoilt", sides[1], FAST)
    assert again.card.weights_digest == fitted.card.weights_digest


def test_the_command_writes_a_map_that_apply_uses(
    shapes_folder: Path, shapes: Manifest, save_sides: Save, tmp_path: Path
):
    old, new = save_sides(shapes)
    words = ("--from", old, "--to", new, "--data", shapes_folder, *TYPED)
    result = hetvs("adapt", *words, "-o", tmp_path / "map")
    assert result.exit_code == 0, result.output
    assert "mAP on val: the rule M(new, mapped old) > M(old,old) is judged" in result.stdout
    assert load_map(tmp_path / "map").card.direction == "forward"
    result = hetvs("adapt", "apply", tmp_path / "map", old, "-o", tmp_path / "mapped")
    assert result.exit_code == 0, result.output
    mapped = VersionedVectors.load(tmp_path / "mapped")
    assert mapped.vectors.space == EmbeddingSet.load(new).space
    assert mapped.versions[0].maps == (load_map(tmp_path / "map").card.weights_digest,)
    refused = hetvs("adapt", "apply", tmp_path / "map", new, "-o", tmp_path / "wrong")
    assert refused.exit_code == 1
    assert "the wrong direction; fit one with --from and --to exchanged" in refused.stderr
    assert not (tmp_path / "wrong").exists()
    evaluated = hetvs(
        *("evaluate", shapes_folder, "--gallery-model", tmp_path / "mapped", "--query-model", new, "--split", "val"),
        *("-o", tmp_path / "report", *TYPED),
    )
    assert evaluated.exit_code == 0, evaluated.output
    said = hetvs("adapt", "fit", *words, "-o", tmp_path / "again", "--json")
    assert json.loads(said.stdout) == json.loads((tmp_path / "again" / "card.json").read_text())


def test_runs_know_their_images(shapes: Manifest, shapes_cloud: Path, save_sides: Save, tmp_path: Path):
    sides = save_sides(shapes)
    result = hetvs("adapt", "--from", sides[0], "--to", shapes_cloud, "-o", tmp_path / "map", *TYPED)
    assert result.exit_code == 0, result.output
    assert load_map(tmp_path / "map").card.to_space.dim == 16
    result = hetvs("adapt", "--from", sides[0], "--to", sides[1], "-o", tmp_path / "other", *TYPED)
    assert result.exit_code == 1
    assert "does not say which images to learn on" in result.stderr


def test_one_model_needs_no_map(manifest: Manifest, sides: tuple[Path, Path]):
    with pytest.raises(ConfigError, match="are of one model; a map leads from one to another"):
        adapt(manifest, sides[0], sides[0], FAST)


def test_a_map_is_not_judged_where_it_learned():
    with pytest.raises(ConfigError, match="a map learned on val is not judged there"):
        AdaptConfig(fit="val")
    assert AdaptConfig(fit="val", split="test").split == "test"
    with pytest.raises(ConfigError, match="fit 'test' is unknown"):
        AdaptConfig(fit="test")
