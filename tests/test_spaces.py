"""Identities of spaces: those of old artifacts stay, a rotated space and its prefixes have their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.artifacts import SpaceCard, require_same_space
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError
from hetvs.files import digest_json
from hetvs.spaces import require_prefixes

BORN = SpaceCard(teacher_digest="aa", preprocess_digest="bb", dim=8)
ROTATED = BORN.rotated("cc")


def test_the_id_of_a_space_that_was_born_is_older_than_rotations() -> None:
    fields = {"teacher_digest": "aa", "preprocess_digest": "bb", "dim": 8, "normalisation": "l2", "schema_version": 1}
    assert BORN.space_id == digest_json(fields)[:16]
    assert BORN.to_json() == {"space_id": BORN.space_id, **fields}


def test_parent_basis_and_length_each_make_another_space() -> None:
    spaces = [
        BORN,
        ROTATED,
        BORN.rotated("dd"),
        replace(BORN, teacher_digest="ab").rotated("cc"),
        *(ROTATED.prefix(dim) for dim in range(1, 8)),
        ROTATED.rotated("cc"),
    ]
    assert len({space.space_id for space in spaces}) == len(spaces)
    assert ROTATED.parent == BORN.space_id


@given(dims=st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_a_prefix_of_a_prefix_is_the_shorter_one(dims: tuple[int, int]) -> None:
    long, short = max(dims), min(dims)
    assert ROTATED.prefix(long).prefix(short) == ROTATED.prefix(short)


@pytest.mark.parametrize("space", [ROTATED, ROTATED.prefix(3)])
def test_a_derived_space_comes_back(space: SpaceCard) -> None:
    assert SpaceCard.from_json(space.to_json(), "card.json") == space
    with pytest.raises(ArtifactError, match="does not match its fields"):
        SpaceCard.from_json({**space.to_json(), "basis": "ee"}, "card.json")


@pytest.mark.parametrize(("space", "dim"), [(BORN, 4), (ROTATED, 0), (ROTATED, 9), (ROTATED.prefix(4), 5)])
def test_what_is_no_prefix_is_refused(space: SpaceCard, dim: int) -> None:
    said = "it is not rotated; run `hetvs rotate`" if space is BORN else f"1 to {space.dim} components, not {dim}"
    with pytest.raises(ConfigError, match=said):
        space.prefix(dim)


def test_the_whole_vector_is_no_prefix_of_itself() -> None:
    require_prefixes(ROTATED, (1, 7))
    require_prefixes(BORN, ())
    with pytest.raises(ConfigError, match="a prefix of 8 is the whole vector"):
        require_prefixes(ROTATED, (4, 8))


@pytest.mark.parametrize(
    ("query", "gallery", "said"),
    [
        (ROTATED.prefix(2), ROTATED.prefix(4), "prefixes of 2 and 4 components: cut both sides to the same --dim"),
        (ROTATED, ROTATED.prefix(4), "prefixes of 8 and 4 components"),
        (BORN, ROTATED, "the gallery is rotated: run `hetvs rotate` on the query model with its --basis"),
        (ROTATED, BORN, "train the query model against this gallery's model"),
        (ROTATED, BORN.rotated("dd"), "train the query model against"),
        (BORN, replace(BORN, dim=4), "train the query model against"),
    ],
)
def test_two_spaces_are_refused_with_what_brings_them_together(query: SpaceCard, gallery: SpaceCard, said: str) -> None:
    with pytest.raises(IncompatibleSpaceError, match=f"query space {query.space_id} .* {said}"):
        require_same_space(query, gallery, "edge", "cloud")
