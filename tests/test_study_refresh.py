"""The study of refreshed galleries: its commands would be taken, its rows are what the library says, its page holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet
from hetvs.backfill_curve import backfill_curves
from hetvs.cli import main as hetvs
from hetvs.config import ClustersConfig, CurveConfig
from hetvs.manifest import Manifest
from hetvs.refresh.clusters import cluster, survival
from studies import refresh_clusters, refresh_columns
from studies.refresh import __main__ as refresh
from studies.refresh.clusters import survivals
from studies.refresh.page import page
from studies.refresh.plan import FREE, METHODS, RACT, RefreshPlanner
from studies.refresh.rows import AHEAD, Measured, rows_of
from studies.refresh.tables import POINTS, RANDOM_ORDERS, table_of
from studies.shared.cases import Places
from studies.shared.jobs import with_needs
from studies.shared.rows import MEAN
from studies.updates.plan import DEFAULT, UpdatePlanner

ROOT = Path(__file__).parents[1]
CONFIG = CurveConfig(points=POINTS, seeds=RANDOM_ORDERS, threads=1)
MakeVectors = Callable[..., EmbeddingSet]


@pytest.fixture
def planner() -> RefreshPlanner:
    return RefreshPlanner(UpdatePlanner(Places(home=Path("runs/none"), recipes=ROOT / "docs/recipes"), refresh.SEEDS))


def parse(words: tuple[str, ...]) -> None:
    """Parse a command without running it."""
    own = {"studies.refresh_columns": refresh_columns.main, "studies.refresh_clusters": refresh_clusters.main}
    command: click.Command | None = own.get(words[2])
    rest = list(words[3:])
    if words[0] == "hetvs":
        command, rest = hetvs, list(words[1:])
        while isinstance(command, click.Group):
            command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
    assert command is not None
    command.make_context(command.name, rest)


def test_every_command_would_be_taken(planner: RefreshPlanner) -> None:
    cases = planner.cases()
    assert len(cases) == len(METHODS) * len(refresh.SEEDS)
    mine = [job for job in refresh.jobs_of(planner) if "emoji-refresh" in job.name]
    for job in mine:
        parse(job.words)
    maps = [job for job in mine if job.kind.name == "maps"]
    assert len(maps) == len(refresh.SEEDS), "a free model alone needs a map"


def test_a_case_needs_the_models_of_the_study_of_updates(planner: RefreshPlanner) -> None:
    theirs = {job.name: job for j in planner.updates.models(["extended-data"]) for job in with_needs([j.columns])}
    for job in refresh.jobs_of(planner):
        if "emoji-refresh" not in job.name:
            assert theirs[job.name] == job
    for case in planner.cases():
        old, new = case.clusters.after
        assert str(old.output) in case.columns.words
        assert str(new.output) in case.columns.words


def test_the_dry_run_prints_the_plan() -> None:
    result = CliRunner().invoke(refresh.main, ["--dry-run", "--home", "none"])
    assert result.exit_code == 0, result.output
    assert "new   emoji-refresh/ract-s2 columns" in result.stdout
    assert "new   emoji-updates/small-all-alone-s10 train" in result.stdout


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    return make_manifest([f"c{n % 24:02d}" for n in range(120)])


def finished(
    method: str, seed: int, manifest: Manifest, make_vectors: MakeVectors, folder: Path
) -> tuple[Measured, Path, Path]:
    """A refresh of a method as it would be left, and the two folders of vectors that it is of."""
    old = make_vectors(manifest, noise=0.9, seed=seed)
    new = make_vectors(manifest, noise={DEFAULT: 0.4, RACT: 0.5, FREE: 0.7}[method], seed=10 + seed)
    sides = [folder / f"{method}-{seed}-{name}" for name in ("old", "new")]
    for path, vectors in zip(sides, (old, new), strict=True):
        vectors.save(path)
    table = table_of(manifest, *sides, CONFIG)
    return Measured(method, seed, table, survivals(old, new, ClustersConfig(threads=1))), *sides


def test_rows_say_what_the_library_says(manifest: Manifest, make_vectors: MakeVectors, tmp_path: Path) -> None:
    found, sides = [], {}
    for method in (DEFAULT, RACT, FREE):
        for seed in (0, 1):
            one, *sides[method, seed] = finished(method, seed, manifest, make_vectors, tmp_path)
            found.append(one)
    rows = rows_of(found, 2, "studies.refresh")
    assert len({row.key for row in rows}) == len(rows)
    value = {(r.method, r.seed, r.pair, r.metric): r for r in rows}
    report = backfill_curves(manifest, *sides[DEFAULT, 1], CONFIG)
    for curve in report.curves:
        assert value[DEFAULT, 1, curve.name, "area/map"].value == pytest.approx(curve.area.value, abs=1e-6)
        assert value[DEFAULT, 1, curve.name, "area/map"].lower == pytest.approx(curve.area.low, abs=1e-6)
        dip = curve.above_old.rule.difference
        assert value[DEFAULT, 1, curve.name, "lowest above old,old/map"].value == pytest.approx(dip.value, abs=1e-6)
    areas = [value[DEFAULT, seed, "isolation", "area/map"].value for seed in (0, 1)]
    assert value[DEFAULT, MEAN, "isolation", "area/map"].value == pytest.approx(np.mean(areas), abs=2e-6)
    text = page(rows)
    assert "mAP: area of the default order above that of random ones, default method: +" in text
    assert "Adjusted Rand index of the default above that of a free model, whole gallery: +" in text
    assert "| ract | random |" in text


def test_clusters_are_compared_seed_by_seed(manifest: Manifest, make_vectors: MakeVectors, tmp_path: Path) -> None:
    found = [
        finished(method, seed, manifest, make_vectors, tmp_path)[0] for method in (DEFAULT, FREE) for seed in (0, 1)
    ]
    rows = {(r.method, r.seed, r.pair): r.value for r in rows_of(found, 2, "m") if r.metric == "ari"}
    for seed in (0, 1):
        alone = [rows[method, seed, "half"] for method in (DEFAULT, FREE)]
        assert rows[AHEAD, seed, "half"] == pytest.approx((alone[0] or 0) - (alone[1] or 0), abs=2e-6)
    config = ClustersConfig(threads=1)
    old, new = make_vectors(manifest, noise=0.9, seed=0), make_vectors(manifest, noise=0.4, seed=10)
    expected = survival(cluster(old.vectors_ND, config), cluster(new.vectors_ND, config)).ari.value
    assert rows[DEFAULT, 0, "whole"] == pytest.approx(expected, abs=1e-6)
    partial = rows_of(found[:1], 2, "m")
    assert all(row.seed != MEAN for row in partial), "one of two seeds has no mean"


def test_the_commands_write_what_is_read(manifest: Manifest, make_vectors: MakeVectors, tmp_path: Path) -> None:
    _, old, new = finished(DEFAULT, 0, manifest, make_vectors, tmp_path)
    words = ["--old", str(old), "--new", str(new), "-o", str(tmp_path / "clusters"), "--threads", "1"]
    done = CliRunner().invoke(refresh_clusters.main, words)
    assert done.exit_code == 0, done.output
    assert {"half", "whole"} == set(json.loads((tmp_path / "clusters" / "clusters.json").read_text()))
