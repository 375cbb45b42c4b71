"""Values per query of one model: those of the library, kept in files, refused where the space is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError
from hetvs.manifest import Manifest
from hetvs.retrieval import fidelity
from hetvs.retrieval.matrix import Judged, cell, top_lists
from hetvs.retrieval.protocols import protocol_of
from studies.shared.tables import Role, load, save, tables_of

RANDOM = np.random.default_rng(1)


def vectors(manifest: Manifest, teacher: str, dim: int = 8) -> EmbeddingSet:
    rows = manifest.rows("test")
    raw = RANDOM.normal(size=(len(rows), dim))
    unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    space = SpaceCard(teacher_digest=teacher, preprocess_digest="p", dim=dim)
    return EmbeddingSet(unit, tuple(map(str, manifest.ids[rows])), space, teacher)


def test_columns_are_those_of_the_library(shapes: Manifest) -> None:
    cloud, student = vectors(shapes, "cloud"), vectors(shapes, "cloud")
    table = tables_of(shapes, ["B"], "student", cloud, student, 1)["B"]
    judged = Judged.of(shapes, protocol_of(shapes, "B"))
    sides = {"q": student.vectors_ND, "g": cloud.vectors_ND}
    for gallery in "gq":
        expected = cell(judged, ("q", sides["q"]), (gallery, sides[gallery]), (1, 5))
        for metric, values in expected.per_query.items():
            np.testing.assert_array_equal(table.columns[f"q,{gallery}/{metric}"], values)
    lists = [top_lists(judged, sides[name], sides["g"], 10, 1)[expected.queries] for name in "qg"]
    np.testing.assert_array_equal(table.columns["q,g/overlap@10"], fidelity.overlap(*lists))


def test_each_role_has_its_pairs(shapes: Manifest) -> None:
    cloud, other, small = vectors(shapes, "cloud"), vectors(shapes, "other"), vectors(shapes, "small", dim=4)

    def pairs(role: Role, query: EmbeddingSet) -> set[str]:
        table = tables_of(shapes, ["B"], role, cloud, query, 1)["B"]
        return {name.split("/")[0] for name in table.columns}

    assert pairs("cloud", cloud) == {"g,g"}
    assert pairs("baseline", other) == {"base,base", "base,g"}
    assert pairs("baseline", small) == {"base,base"}
    assert pairs("control", other) == {"q,q", "q,g"}


def test_a_student_of_another_space_is_refused(shapes: Manifest) -> None:
    cloud, other = vectors(shapes, "cloud"), vectors(shapes, "other")
    with pytest.raises(IncompatibleSpaceError):
        tables_of(shapes, ["B"], "student", cloud, other, 1)
    with pytest.raises(ConfigError, match="a control lives in the gallery's space"):
        tables_of(shapes, ["B"], "control", cloud, vectors(shapes, "cloud"), 1)


def test_a_slice_is_the_queries_that_meet_its_condition(shapes: Manifest, tmp_path: Path) -> None:
    """On the gallery of its protocol, cut out of the same columns, and back from files under its own name."""
    cloud, student = vectors(shapes, "cloud"), vectors(shapes, "cloud")
    names = ["B", "B, domain=pen1", "B, domain!=pen1"]
    tables = tables_of(shapes, names, "student", cloud, student, 1)
    save(tmp_path / "columns", tables, overwrite=False)
    whole, alike, others = (load(tmp_path / "columns")[name] for name in names)
    domains = dict(zip(shapes.ids.tolist(), shapes.domains.tolist(), strict=True))
    assert list(alike.ids) == [name for name in whole.ids if domains[name] == "pen1"]
    assert sorted(alike.ids + others.ids) == sorted(whole.ids)
    for name, values in whole.columns.items():
        expected = [value for value, query in zip(values, whole.ids, strict=True) if domains[query] == "pen1"]
        assert alike.columns[name].tolist() == expected
    with pytest.raises(ConfigError, match="has no query"):
        tables_of(shapes, ["B, split=train"], "student", cloud, student, 1)


def test_columns_come_back_from_files(shapes: Manifest, tmp_path: Path) -> None:
    cloud = vectors(shapes, "cloud")
    tables = tables_of(shapes, ["B"], "student", cloud, vectors(shapes, "cloud"), 1)
    save(tmp_path / "columns", tables, overwrite=False)
    again = load(tmp_path / "columns")["B"]
    assert again.ids == tables["B"].ids
    assert again.labels.tolist() == tables["B"].labels.tolist()
    for name, values in tables["B"].columns.items():
        np.testing.assert_array_equal(again.columns[name], values)
    array = tmp_path / "columns" / "B.npy"
    array.write_bytes(array.read_bytes()[:-8] + b"\7" * 8)
    with pytest.raises(ArtifactError, match="digest differs"):
        load(tmp_path / "columns")
