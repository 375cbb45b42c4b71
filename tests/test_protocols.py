from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.retrieval.protocols import class_overlap, protocol_of

STYLES = {"noto": "google", "noto-v1": "google", "twemoji": "twitter", "openmoji": "openmoji", "fxemoji": "mozilla"}


@pytest.fixture
def emoji(make_manifest: Callable[..., Manifest]) -> Manifest:
    """Three test classes and one train class in five styles; the third class is not core."""
    rows = [(label, style) for label in ("cat", "dog", "twin", "cow") for style in STYLES]
    return make_manifest(
        [label for label, _ in rows],
        ids=[f"{label}/{style}" for label, style in rows],
        domains=[STYLES[style] for _, style in rows],
        splits=["train" if label == "cow" else "test" for label, _ in rows],
        style=[style for _, style in rows],
        core=["0" if label == "twin" else "1" for label, _ in rows],
    )


def ids(manifest: Manifest, rows: np.ndarray) -> set[str]:
    return set(manifest.ids[rows].tolist())


def test_a_asks_the_catalogue_from_every_other_family(emoji: Manifest):
    (group,) = protocol_of(emoji, "A").groups
    assert ids(emoji, group.gallery_rows) == {"cat/noto", "dog/noto"}
    others = ("twemoji", "openmoji", "fxemoji")  # noto-v1 is of the catalogue's family: it neither asks nor answers
    assert ids(emoji, group.query_rows) == {f"{label}/{style}" for label in ("cat", "dog") for style in others}


def test_b_leaves_the_own_domain_out(emoji: Manifest):
    protocol = protocol_of(emoji, "B")
    assert len(protocol.groups) == 4
    asked = np.concatenate([g.query_rows for g in protocol.groups])
    assert sorted(asked.tolist()) == protocol.rows.tolist()  # every core test image asks once
    for group in protocol.groups:
        own = set(emoji.domains[group.query_rows].tolist())
        assert len(own) == 1
        assert own.isdisjoint(emoji.domains[group.gallery_rows].tolist())
        assert len(group.query_rows) + len(group.gallery_rows) == len(protocol.rows) == 10


def test_c_asks_from_the_domains_that_training_left_out(emoji: Manifest):
    (group,) = protocol_of(emoji, "C").groups
    assert set(emoji.domains[group.query_rows]) == {"mozilla", "openmoji"}
    assert set(emoji.domains[group.gallery_rows]) == {"google", "twitter"}


def test_only_core_rows_of_the_split_are_judged(emoji: Manifest):
    for name in "ABC":
        assert set(emoji.labels[protocol_of(emoji, name).rows]) == {"cat", "dog"}
    assert protocol_of(emoji, "B").description.endswith("core rows")


def test_a_filter_cuts_queries_and_gallery_and_is_told(emoji: Manifest):
    protocol = protocol_of(emoji, "B", where="label=dog")
    assert ids(emoji, protocol.rows) == {f"dog/{style}" for style in STYLES}
    assert protocol.where == "label=dog"
    assert protocol.description.endswith("core rows, rows where label=dog")
    with pytest.raises(ConfigError, match="in split 'test' where label=twin"):
        protocol_of(emoji, "B", where="label=twin")  # no core row
    with pytest.raises(ConfigError, match="column 'lable' is unknown; did you mean 'label'"):
        protocol_of(emoji, "B", where="lable=dog")


def test_manifest_flags_of_the_split(make_manifest: Callable[..., Manifest]):
    manifest = make_manifest(
        ["x"] * 4, is_query=[1, 0, 0, 1], is_gallery=[0, 1, 1, 1], splits=["test", "test", "val", "test"]
    )
    (group,) = protocol_of(manifest, "manifest").groups
    assert (group.query_rows.tolist(), group.gallery_rows.tolist()) == ([0, 3], [1, 3])


@pytest.mark.parametrize(("name", "column"), [("A", "style"), ("B", "domain"), ("C", "domain")])
def test_a_missing_column_is_named(make_manifest: Callable[..., Manifest], name: str, column: str):
    with pytest.raises(ConfigError, match=f"protocol {name} needs a column '{column}'"):
        protocol_of(make_manifest(["x", "x"]), name)


def test_an_empty_side_is_an_error(emoji: Manifest):
    with pytest.raises(ConfigError, match="no query or no gallery row in split 'val'"):
        protocol_of(emoji, "B", "val")


def test_an_unknown_protocol_is_an_error(emoji: Manifest):
    with pytest.raises(ConfigError, match="protocol 'D' is unknown"):
        protocol_of(emoji, "D")


def test_class_overlap_says_open_closed_or_unknown(make_manifest: Callable[..., Manifest]):
    def verdict(train: list[str]) -> tuple[int, int, str]:
        splits = ["test"] * 4 + ["train"] * len(train)
        manifest = make_manifest(["x", "x", "y", "y", *train], splits=splits)
        overlap = class_overlap(manifest, protocol_of(manifest, "manifest"))
        return overlap.judged, overlap.shared, overlap.verdict

    assert verdict(["z"]) == (2, 0, "open")
    assert verdict(["z", "y"]) == (2, 1, "closed")
    assert verdict([]) == (2, 0, "unknown")
