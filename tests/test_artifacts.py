from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.arrays import save_array
from hetvs.artifacts import EdgeBundle, ModelCard, SpaceCard, is_bundle, require_same_space
from hetvs.errors import ArtifactError, IncompatibleSpaceError
from hetvs.preprocess import Preprocess
from tests.spoiling import cut_in_half, edit, vectors

SPACE = SpaceCard(teacher_digest="aa", preprocess_digest="bb", dim=4)


def card(**changes: Any) -> ModelCard:
    values: dict[str, Any] = {
        "name": "edge",
        "role": "student",
        "backbone": "hetvs/edgenet",
        "backbone_options": {"width": 0.5},
        "space": SPACE,
        "preprocess": Preprocess(size_px=32),
        "weights_digest": "dd",
        "macs": 10,
        "parameters": 20,
        "validation": {"val/map": 0.5},
        "training": {"seed": 0},
    }
    return ModelCard(**{**values, **changes})


# Spaces.


@pytest.mark.parametrize(
    "change",
    [{"teacher_digest": "x"}, {"preprocess_digest": "x"}, {"dim": 5}, {"normalisation": "none"}, {"schema_version": 2}],
)
def test_every_field_of_a_space_is_part_of_its_id(change: dict[str, Any]) -> None:
    assert replace(SPACE, **change).space_id != SPACE.space_id


def test_a_space_id_is_stable() -> None:
    assert SPACE.space_id == "be39cbccb2d41690"  # published artifacts carry it: a change is a new schema version


@given(teacher=st.text(), preprocess=st.text(), dim=st.integers(1, 4096))
def test_a_space_comes_back_from_json(teacher: str, preprocess: str, dim: int) -> None:
    space = SpaceCard(teacher_digest=teacher, preprocess_digest=preprocess, dim=dim)
    assert SpaceCard.from_json(json.loads(json.dumps(space.to_json())), "space.json") == space


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"space_id": "0123456789abcdef"}, "does not match its fields"),
        ({"dim": 5}, "does not match its fields"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_an_edited_space_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        SpaceCard.from_json({**SPACE.to_json(), **change}, "space.json")


@pytest.mark.parametrize("value", [None, [], "text", {}])
def test_what_is_no_space_is_refused(value: object) -> None:
    with pytest.raises(ArtifactError, match=r"^space\.json: "):
        SpaceCard.from_json(value, "space.json")


def test_two_spaces_are_incompatible_and_both_are_named() -> None:
    require_same_space(SPACE, replace(SPACE), "edge", "cloud")
    other = replace(SPACE, teacher_digest="other")
    with pytest.raises(IncompatibleSpaceError) as caught:
        require_same_space(other, SPACE, "edge", "cloud")
    assert str(caught.value) == (
        f"query space {other.space_id} (edge) is not gallery space {SPACE.space_id} (cloud); "
        "train the query model against this gallery's model, or re-embed the gallery"
    )


# Cards.


def test_a_card_comes_back(tmp_path: Path) -> None:
    written = card(preprocess=Preprocess(size_px=96, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)))
    written.save(tmp_path)
    assert ModelCard.load(tmp_path) == written
    assert ModelCard.load(tmp_path).dim == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(schema_version=2), "schema version 2, this hetvs reads 1"),
        (lambda v: v.pop("schema_version"), "schema version None"),
        (lambda v: v.pop("macs"), "missing 1 required keyword-only argument: 'macs'"),
        (lambda v: v.update(extra=1), "unknown field 'extra'"),
        (lambda v: v.pop("space"), "schema version None"),
        (lambda v: v.pop("preprocess"), "preprocess mean is not three numbers"),
        (lambda v: v["preprocess"].pop("size_px"), "size_px"),
        (lambda v: v["preprocess"].update(size_px="32"), "size_px must be int, got '32'"),
        (lambda v: v.update(macs=1.5), "macs must be int, got 1.5"),
        (lambda v: v.update(name=None), "name must be str, got None"),
        (lambda v: v["preprocess"].update(gamma=1), "unknown field 'gamma'"),
        (lambda v: v["preprocess"].update(mean=3), "preprocess mean is not three numbers"),
        (lambda v: v["preprocess"].update(std=[1, 2]), "preprocess std is not three numbers"),
        (lambda v: v.update(preprocess=[1]), "preprocess"),
        (lambda v: v["space"].update(space_id="0" * 16), "does not match its fields"),
    ],
)
def test_a_card_with_a_wrong_field_is_one_line(
    change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path
) -> None:
    card().save(tmp_path)
    edit(tmp_path / "card.json", change)
    with pytest.raises(ArtifactError) as caught:
        ModelCard.load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "card.json"))
    assert said in str(caught.value)


def test_a_card_that_is_no_object_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("[]")
    with pytest.raises(ArtifactError, match="schema version None"):
        ModelCard.load(tmp_path)


# Bundles.


@pytest.fixture
def bundle_copy(bundle_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def test_a_bundle_comes_back(bundle_copy: Path, tmp_path: Path) -> None:
    bundle = EdgeBundle.load(bundle_copy)
    bundle.write_side_files(tmp_path / "again")
    for name in ("card.json", "golden_pixels.npy", "golden_vectors.npy"):
        assert (tmp_path / "again" / name).read_bytes() == (bundle_copy / name).read_bytes()
    assert is_bundle(bundle_copy)
    assert not is_bundle(tmp_path / "again")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "model.onnx").unlink(), r"model\.onnx: not found; run `hetvs export` again"),
        (lambda f: (f / "golden_pixels.npy").unlink(), r"golden_pixels\.npy: not found"),
        (lambda f: cut_in_half(f / "golden_vectors.npy"), r"golden_vectors\.npy: not a readable"),
        (lambda f: save_array(f / "golden_vectors.npy", vectors(18, 15)), "does not fit the card"),
        (lambda f: save_array(f / "golden_vectors.npy", vectors(18, 16).astype(np.float16)), "float16"),
        (lambda f: edit(f / "card.json", lambda v: v.pop("export")), "is not the card of an edge bundle"),
        (lambda f: (f / "card.json").write_text("3"), r"card\.json: "),
        (lambda f: edit(f / "card.json", lambda v: v["export"].pop("opset")), "export field 'opset' is missing"),
        (lambda f: edit(f / "card.json", lambda v: v["export"].update(opset="x")), "an export field is off"),
        (lambda f: edit(f / "card.json", lambda v: v["export"].update(golden_ids=None)), "an export field is off"),
        (lambda f: edit(f / "card.json", lambda v: v["export"].update(golden_ids=[])), "does not fit the card"),
        (lambda f: edit(f / "card.json", lambda v: v["export"].update(golden_files=["b"])), "not the first golden_ids"),
        (lambda f: edit(f / "card.json", lambda v: v["export"].update(golden_files=[])), "not the first golden_ids"),
        (lambda f: edit(f / "card.json", lambda v: v["export"].pop("version")), "bundle version 1, this hetvs reads 2"),
        (lambda f: edit(f / "card.json", lambda v: v["preprocess"].update(resize="x")), "resize contract 'x', this"),
        (lambda f: edit(f / "card.json", lambda v: v.update(schema_version=0)), "schema version 0"),
        (lambda f: edit(f / "card.json", lambda v: v["space"].update(dim=3)), "does not match its fields"),
    ],
)
def test_a_spoiled_bundle_is_one_line(spoil: Callable[[Path], object], said: str, bundle_copy: Path) -> None:
    spoil(bundle_copy)
    with pytest.raises(ArtifactError, match=said) as caught:
        EdgeBundle.load(bundle_copy)
    assert "\n" not in str(caught.value)
