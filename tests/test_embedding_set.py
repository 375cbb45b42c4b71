"""Folders of vectors: what comes back, what is refused, both precisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.arrays import array_digest, load_array, save_array
from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.errors import ArtifactError
from tests.spoiling import cut_in_half, edit, vectors

SPACE = SpaceCard(teacher_digest="aa", preprocess_digest="bb", dim=4)


def some_set(n: int = 3) -> EmbeddingSet:
    return EmbeddingSet(vectors(n), tuple(f"image{i}" for i in range(n)), SPACE, "cc")


@given(n=st.integers(1, 20), dim=st.integers(1, 16), seed=st.integers(0, 99))
def test_vectors_come_back_bit_by_bit(n: int, dim: int, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    space = replace(SPACE, dim=dim)
    ids = tuple(f"é/{i},\n" for i in range(n))
    written = EmbeddingSet(vectors(n, dim, seed), ids, space, "cc")
    folder = tmp_path_factory.getbasetemp() / "vectors"
    written.save(folder, overwrite=True)
    read = EmbeddingSet.load(folder)
    assert read.vectors_ND.tobytes() == written.vectors_ND.tobytes()
    assert (read.ids, read.space, read.model_digest) == (ids, space, "cc")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (vectors(3).astype(np.float64), "vectors are float64, expected float32"),
        (vectors(2), r"vectors of shape \(2, 4\) do not fit 3 ids and D=4"),
        (vectors(3, dim=5), r"vectors of shape \(3, 5\) do not fit 3 ids and D=4"),
        (vectors(3)[0], r"vectors of shape \(4,\) do not fit"),
        (vectors(3) * np.float32(1.001), r"vector of 'image\d' has norm 1\.001"),
        (np.full((3, 4), np.nan, np.float32), "vector of 'image0' has norm nan"),
        (np.zeros((3, 4), np.float32), r"has norm 0\.0"),
    ],
)
def test_vectors_that_break_the_promise_are_refused(array: np.ndarray, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        EmbeddingSet(array, ("image0", "image1", "image2"), SPACE, "cc")


def test_rounding_of_a_norm_is_allowed() -> None:
    EmbeddingSet(vectors(3) * np.float32(1 + 9e-5), ("a", "b", "c"), SPACE, "cc")


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(ArtifactError, match="image id 'a' stands twice"):
        EmbeddingSet(vectors(3), ("a", "b", "a"), SPACE, "cc")


def test_vectors_need_overwrite(tmp_path: Path) -> None:
    some_set(3).save(tmp_path / "v")
    some_set(2).save(tmp_path / "v", overwrite=True)
    assert len(EmbeddingSet.load(tmp_path / "v").ids) == 2


def swap_two_vectors(folder: Path) -> None:
    array = load_array(folder / "vectors.npy")
    save_array(folder / "vectors.npy", array[[1, 0, 2]])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (swap_two_vectors, r"vectors\.npy: digest differs from space\.json; embed again"),
        (lambda f: cut_in_half(f / "vectors.npy"), r"vectors\.npy: not a readable \.npy array"),
        (lambda f: (f / "vectors.npy").write_bytes(b""), r"vectors\.npy: not a readable \.npy array"),
        (lambda f: (f / "vectors.npy").unlink(), r"vectors\.npy: not found"),
        (lambda f: (f / "ids.json").unlink(), r"ids\.json: not found"),
        (lambda f: cut_in_half(f / "ids.json"), r"ids\.json: not readable as JSON"),
        (lambda f: (f / "ids.json").write_text('["image1", "image0", "image2"]'), r"ids\.json: digest differs"),
        (lambda f: (f / "ids.json").write_text("3"), r"ids\.json: digest differs"),
        (lambda f: (f / "space.json").unlink(), r"space\.json: not found"),
        (lambda f: (f / "space.json").write_text("[1]"), r"space\.json: "),
        (lambda f: edit(f / "space.json", lambda v: v.update(space_id="0" * 16)), "does not match its fields"),
        (lambda f: edit(f / "space.json", lambda v: v.update(schema_version=2)), "schema version 2"),
    ],
)
def test_a_spoiled_folder_of_vectors_is_one_line(spoil: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    folder = tmp_path / "v"
    some_set().save(folder)
    spoil(folder)
    with pytest.raises(ArtifactError, match=said):
        EmbeddingSet.load(folder)


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([{"code": "anything"}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match="not a readable"):
        load_array(tmp_path / "v.npy")


def test_an_array_digest_covers_type_shape_and_values() -> None:
    zeros = np.zeros((2, 3), np.float32)
    others = [zeros.reshape(3, 2), zeros.astype(np.int32), zeros + 1]
    assert len({array_digest(array) for array in [zeros, *others]}) == 4
    assert array_digest(np.asfortranarray(zeros)) == array_digest(zeros)


def test_int8_vectors_come_back_as_they_were_rounded(tmp_path: Path) -> None:
    rounded = some_set().rounded()
    rounded.save(tmp_path / "v")
    read = EmbeddingSet.load(tmp_path / "v")
    np.testing.assert_array_equal(read.vectors_ND, rounded.vectors_ND)
    assert (read.precision, some_set().precision) == ("int8", "fp32")
    assert np.abs(read.vectors_ND - some_set().vectors_ND).max() < 1 / 127


@pytest.mark.parametrize("claimed", ["fp32", "int4"])
def test_vectors_of_another_precision_than_claimed_are_refused(claimed: str, tmp_path: Path) -> None:
    some_set().rounded().save(tmp_path / "v")
    path = tmp_path / "v" / "space.json"
    path.write_text(path.read_text().replace('"int8"', f'"{claimed}"'))
    with pytest.raises(ArtifactError, match=f"holds int8, space.json says '{claimed}'"):
        EmbeddingSet.load(tmp_path / "v")


def test_a_set_written_before_there_was_int8_is_fp32(tmp_path: Path) -> None:
    some_set().save(tmp_path / "v")
    path = tmp_path / "v" / "space.json"
    values = json.loads(path.read_text())
    del values["precision"]
    path.write_text(json.dumps(values))
    assert EmbeddingSet.load(tmp_path / "v").precision == "fp32"
