"""The part of the study of products on shorter vectors: its jobs, its judgement beside the library's, rows and page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError, IncompatibleSpaceError
from hetvs.manifest import Manifest
from hetvs.refresh.maps import mapped
from hetvs.refresh.rotation import rotation_of
from hetvs.refresh.versions import VersionedVectors
from hetvs.retrieval.judge import evaluate
from hetvs.retrieval.matrix import Contender
from hetvs.retrieval.protocols import protocol_of
from studies import product_prefixes
from studies.product.__main__ import SEEDS
from studies.product.lengths import BLOCK, CHANGE, Sides, cosine_changes, tables_by_length
from studies.product.page import page
from studies.product.plan import NAME, VECTORS, ProductPlanner
from studies.product.prefixes import COSINE_CHANGE, PREFIXES
from studies.shared.cases import Places
from studies.shared.jobs import with_needs
from studies.shared.methods import CLOUD, DEFAULT
from studies.shared.rows import MEAN, Row, merge_rows
from studies.shared.tables import load, save

ROOT = Path(__file__).parents[1]
DIM = 8
SPACE = SpaceCard(teacher_digest="cloud", preprocess_digest="images", dim=DIM)
ENERGY = np.array([4.0, 3.0, 2.0, 2.0, 1.0, 0.5, 0.5, 0.5])  # classes differ in the first directions most


@pytest.fixture
def planner(tmp_path: Path) -> ProductPlanner:
    """The real study, on the real recipes."""
    return ProductPlanner(Places(home=tmp_path / "runs", recipes=ROOT / "docs/recipes"), SEEDS)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """160 test images of 20 classes in two domains, without files."""
    n = 160
    return Manifest(
        source=tmp_path_factory.mktemp("toy") / "toy.csv",
        ids=np.array([f"{row:04d}" for row in range(n)]),
        paths=tuple(Path(f"{row:04d}.png") for row in range(n)),
        labels=np.array([f"c{row % 20}" for row in range(n)]),
        domains=np.array([f"d{row // 20 % 2}" for row in range(n)]),
        splits=np.full(n, "test"),
        is_query=np.ones(n, bool),
        is_gallery=np.ones(n, bool),
        boxes=np.full((n, 4), np.nan),
        extra={},
    )


def vectors(table: Manifest, noise: float, seed: int) -> EmbeddingSet:
    """A vector by class, in directions that the axes do not show, disturbed."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, DIM)) * ENERGY @ np.linalg.qr(random.normal(size=(DIM, DIM)))[0]
    rows = np.array([int(label[1:]) for label in table.labels])
    moved = centres[rows] + noise * np.random.default_rng(seed).normal(size=(len(rows), DIM))
    unit = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return EmbeddingSet(unit, tuple(table.ids.tolist()), SPACE, f"model {seed}")


def turned(table: Manifest, seed: int = 2) -> tuple[Sides, Sides]:
    """A student in the gallery of a cloud model, as they are, and rotated into the basis of the cloud's vectors."""
    cloud, student = vectors(table, 0.5, 1), vectors(table, 1.0, seed)
    rotation = rotation_of(cloud, {}, Path("cloud"))
    placed = [mapped(rotation, VersionedVectors.single(side, "toy"), "toy").vectors for side in (student, cloud)]
    return Sides(student, cloud), Sides(*placed)


def test_tables_say_what_evaluate_says(table: Manifest) -> None:
    before, rotated = turned(table)
    found = tables_by_length(table, "B", before, rotated, 1)
    assert list(found) == ["8", "4", "2", "1"]
    config = EvaluateConfig(protocol="B", prefixes="4,2", draws=100, examples=0, threads=1)
    contenders = Contender("g", rotated.gallery), Contender("q", rotated.query)
    report = evaluate(table, protocol_of(table, "B"), contenders[0], [contenders[1]], None, config)
    assert {p.dim for p in report.prefixes} == {8, 4, 2}
    for prefix in report.prefixes:
        columns = found[str(prefix.dim)].columns
        for metric in ("recall@1", "map"):
            assert columns[f"q,g/{metric}"].mean() == pytest.approx(prefix.q_g[metric].value)
            assert columns[f"g,g/{metric}"].mean() == pytest.approx(prefix.g_g[metric].value)


def test_rotation_changes_no_cosine_and_a_change_is_seen(table: Manifest) -> None:
    before, rotated = turned(table)
    found = tables_by_length(table, "B", before, rotated, 1)
    assert found["8"].columns[CHANGE].max() < 1e-6
    assert [dim for dim in found if CHANGE in found[dim].columns] == ["8"]
    other = replace(before, query=replace(before.query, vectors_ND=before.query.vectors_ND[::-1].copy()))
    assert tables_by_length(table, "B", other, rotated, 1)["8"].columns[CHANGE].max() > 0.5


def test_cosine_changes_are_those_of_a_naive_loop() -> None:
    random = np.random.default_rng(0)
    sides = [{"q": random.normal(size=(BLOCK + 3, 3)), "g": random.normal(size=(5, 3))} for _ in range(2)]
    was, now = sides
    naive = [
        max(abs(float(now["q"][i] @ now["g"][j]) - float(was["q"][i] @ was["g"][j])) for j in range(5))
        for i in range(BLOCK + 3)
    ]
    assert cosine_changes(*sides).tolist() == pytest.approx(naive)


def test_sides_of_two_spaces_and_unrotated_ones_are_refused(table: Manifest) -> None:
    before, rotated = turned(table)
    with pytest.raises(IncompatibleSpaceError):
        Sides(before.query, rotated.gallery)
    with pytest.raises(ConfigError, match="rotat"):
        tables_by_length(table, "B", before, before, 1)


def test_the_command_writes_the_same_tables(table: Manifest, write_table: Callable[..., Path], tmp_path: Path) -> None:
    columns = (table.ids, [path.name for path in table.paths], table.labels, table.domains, table.splits)
    write_table(tmp_path, ["id", "path", "label", "domain", "split"], *zip(*columns, strict=True))
    both = turned(table)
    for name, sides in zip(("before", "rotated"), both, strict=True):
        sides.query.save(tmp_path / name / "q")
        sides.gallery.save(tmp_path / name / "g")
    words = [str(tmp_path), "--protocol", "B", "--threads", "1", "-o", str(tmp_path / "judged")]
    for flag, side in (("--gallery", "g"), ("--query", "q")):
        words += [flag, str(tmp_path / "before" / side), str(tmp_path / "rotated" / side)]
    done = CliRunner().invoke(product_prefixes.main, words)
    assert done.exit_code == 0, done.output
    kept, direct = load(tmp_path / "judged"), tables_by_length(table, "B", *both, 1)
    assert list(kept) == list(direct)
    assert all(np.array_equal(kept[dim].columns[name], v) for dim, t in direct.items() for name, v in t.columns.items())


def test_every_side_is_rotated_by_the_basis_of_the_cloud_network(planner: ProductPlanner) -> None:
    jobs = {job.name.partition("/")[2]: job for job in with_needs(planner.prefixes.values())}
    basis = jobs["of-a-student-rotated vectors"]
    assert basis.after[0] in planner.arm(VECTORS)[0].train.after, "vectors that the plan has already"
    assert basis.words[basis.words.index("--rows") + 1] == "core=1"
    for name in ("gallery", "1-80-default-s0", "1-80-default-s1", "1-80-default-s2"):
        words = jobs[f"{name}-rotated vectors"].words
        assert words[words.index("--basis") + 1] == str(basis.output)
    words = planner.prefixes[2].words
    sides = [Path(word).name for at in ("--gallery", "--query") for word in words[words.index(at) + 1 :][:2]]
    assert sides == ["gallery", "gallery-rotated", "1-80-default-s2", "1-80-default-s2-rotated"]


def judged_rows(planner: ProductPlanner, table: Manifest, seeds: int) -> list[Row]:
    for seed in range(seeds):
        job = planner.prefixes[seed]
        job.begin()
        save(job.output, tables_by_length(table, "B", *turned(table, seed + 2), 1), overwrite=True)
    return list(PREFIXES.rows(planner))


def test_rows_are_per_seed_and_their_mean_and_losses_are_paired(
    planner: ProductPlanner, table: Manifest, tmp_path: Path
) -> None:
    two = judged_rows(planner, table, 2)
    assert {row.seed for row in two if row.method == DEFAULT} == {0, 1}, "no mean before all seeds are there"
    assert "Nothing measured yet." in page(two)
    rows = judged_rows(planner, table, 3)
    merge_rows(tmp_path / "results.json", NAME, rows)  # no two rows have one key
    by = {(row.method, row.seed, row.metric): row for row in rows}
    assert len({row.metric for row in rows}) == 2 * (4 + 3) + 1, "the whole length loses nothing to itself"
    for metric in ("recall@1", "map"):
        lost = by[DEFAULT, MEAN, f"loss/{metric} at 2"]
        at = {dim: by[DEFAULT, MEAN, f"{metric} at {dim}"] for dim in (8, 2)}
        assert lost.value == pytest.approx(at[8].value - at[2].value, abs=2e-6)
        assert None not in (lost.lower, lost.upper)
        single = [by[DEFAULT, seed, f"loss/{metric} at 2"].value for seed in SEEDS]
        assert lost.value == pytest.approx(np.mean(single), abs=2e-6)
    assert by[CLOUD, MEAN, "map at 1"].pair == "g,g"
    assert by[DEFAULT, MEAN, COSINE_CHANGE].value <= 1e-6
    assert all(row.command == "python -m studies.product --only prefixes" for row in rows)


def test_the_page_has_a_line_a_length_longest_first(planner: ProductPlanner, table: Manifest) -> None:
    said = page(judged_rows(planner, table, 3)).partition("## Shorter vectors")[2].partition("\n## ")[0]
    lines = [line.split(" | ") for line in said.splitlines() if line.startswith("| ")][2:]
    assert [line[0] for line in lines] == ["| 8", "| 4", "| 2", "| 1"]
    assert [cell for cell in lines[0] if "–" in cell] == ["–", "–", "–", "– |"], "the whole length lacks nothing"
    assert "change of a cosine of whole vectors is 0.00000" in said
