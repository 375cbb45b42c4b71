"""The study of updates: its commands would be taken, its rows are what the library says, its page holds the claims."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main as hetvs
from hetvs.config import EvaluateConfig, TeacherConfig, UpdateConfig
from hetvs.errors import ConfigError, IncompatibleSpaceError
from hetvs.manifest import Manifest, read_manifest
from hetvs.retrieval.matrix import Contender
from hetvs.retrieval.protocols import protocol_of
from hetvs.retrieval.versions import Cast, judge_versions
from hetvs.settings import read_config
from studies import updates_columns
from studies.shared.cases import Places
from studies.shared.jobs import with_needs
from studies.shared.rows import MEAN, Row
from studies.shared.tables import load
from studies.updates.__main__ import SEEDS, main
from studies.updates.page import page
from studies.updates.plan import DEFAULT, FREE, PLAIN, SCENARIOS, SMALL, WIDE, Judged, Scenario, UpdatePlanner, Version
from studies.updates.rows import AHEAD, Measured, rows_of
from studies.updates.tables import table_of

ROOT = Path(__file__).parents[1]
MakeVectors = Callable[..., EmbeddingSet]


@pytest.fixture
def planner() -> UpdatePlanner:
    return UpdatePlanner(Places(home=Path("runs/none"), recipes=ROOT / "docs/recipes"), SEEDS)


def parse(words: tuple[str, ...]) -> None:
    """Parse a command without running it."""
    command: click.Command | None = updates_columns.main
    rest = list(words[3:])
    if words[0] == "hetvs":
        assert isinstance(hetvs, click.Group)
        command, rest = hetvs.get_command(click.Context(hetvs), words[1]), list(words[2:])
        if isinstance(command, click.Group):
            command, rest = command.get_command(click.Context(command), words[2]), list(words[3:])
    assert command is not None
    command.make_context(command.name, rest)


def test_every_command_would_be_taken_and_nothing_is_trained_twice(planner: UpdatePlanner) -> None:
    jobs = with_needs(judged.columns for judged in planner.models())
    for words in {job.words for job in jobs}:
        parse(words)
    trained = [" ".join(job.words).rpartition(" -o ")[0] for job in jobs if job.kind.name == "train"]
    assert len(trained) == len(set(trained))
    outputs = [str(job.output) for job in jobs]
    assert len(outputs) == len(set(outputs))


def test_every_scenario_has_its_models(planner: UpdatePlanner) -> None:
    models = planner.models(["chain"])
    assert len(models) == 3 * (1 + 3)
    last = next(judged for judged in models if judged.version == 3 and judged.method == DEFAULT)
    assert " ".join(last.columns.words).count("--gallery") == 3
    free = next(judged for judged in planner.models(["extended-data"]) if judged.method == FREE)
    assert "--control" in free.columns.words
    assert free.train is next(j for j in planner.models(["extended-class"]) if j.method == FREE).train


def test_a_free_model_is_the_new_one_without_a_tie(planner: UpdatePlanner) -> None:
    """Same recipe, rows and seed; strength 0 of train-update is train-teacher (tests/test_update.py)."""
    found = {j.method: j.train.words for j in planner.models(["extended-class"]) if j.seed == 0}
    free, tied = (" ".join(found[method]) for method in (FREE, DEFAULT))
    for words in (f"{SMALL} ", "--seed 10", "--rows core=1 "):
        assert words in free
        assert words in tied
    for name in (SMALL, WIDE):
        recipe = ROOT / "docs/recipes" / name
        assert read_config(TeacherConfig, recipe).epochs == read_config(UpdateConfig, recipe).epochs


def test_the_dry_run_prints_the_plan() -> None:
    result = CliRunner().invoke(main, ["--dry-run", "--only", "extended-backbone", "--home", "none"])
    assert result.exit_code == 0, result.output
    assert "new   emoji-updates/small-all-alone-s0-then-wide-all-default train" in result.stdout
    assert "chain" not in result.stdout


OWN = {"old": (1.0, 0), PLAIN: (0.8, 1), DEFAULT: (0.6, 2), FREE: (0.4, 3, "elsewhere")}


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    return make_manifest([f"c{n % 20}" for n in range(120)])


def finished(judged: Judged, manifest: Manifest, make_vectors: MakeVectors) -> Measured:
    """What a model would have left: version v of a chain has noise 1 - v / 5, a single update that of its method."""
    chain, method, version = judged.scenario.chain, judged.method, judged.version

    def vectors(noise: float, seed: int, space: str = "cloud") -> EmbeddingSet:
        return make_vectors(manifest, noise=noise, seed=10 * judged.seed + seed, space=space)

    galleries = [vectors(1 - v / 5, v) for v in range(version)]
    own = vectors(1 - version / 5, version) if chain else vectors(*OWN[method])
    return Measured(judged, 1000, table_of(manifest, "manifest", own, galleries, control=method == FREE))


def judged_models(scenario: Scenario, seeds: tuple[int, ...]) -> list[Judged]:
    planner = UpdatePlanner(Places(home=Path("none"), recipes=Path("none")), seeds, scenarios=(scenario,))
    return planner.models()


def value(rows: list[Row], method: str, pair: str, metric: str, seed: int | str) -> float:
    (row,) = [r for r in rows if (r.method, r.pair, r.metric, r.seed) == (method, pair, metric, seed)]
    assert row.value is not None
    return row.value


def test_rows_say_what_the_library_says(manifest: Manifest, make_vectors: MakeVectors) -> None:
    scenario = Scenario("extended-data", (Version(SMALL), Version(SMALL)), (DEFAULT, PLAIN))
    found = [finished(judged, manifest, make_vectors) for judged in judged_models(scenario, (0, 1))]
    rows = rows_of(found, 2, "studies.updates")

    def contender(name: str, noise: float, seed: int, space: str = "cloud") -> Contender:
        return Contender(name, make_vectors(manifest, noise=noise, seed=10 + seed, space=space))

    old, new, free = (contender(name, *OWN[name]) for name in ("old", DEFAULT, FREE))
    cast = Cast((old, new), free=free)
    report = judge_versions(manifest, protocol_of(manifest, "manifest"), cast, EvaluateConfig(threads=1))
    assert report.worth is not None
    for metric in ("recall@1", "map"):
        worth, rule = report.worth[metric], report.steps[0].rule[metric].difference
        expected = {
            f"rule/{metric}": rule,
            f"gain/{metric}": worth.gain,
            f"cost/{metric}": worth.cost,
            f"p_1/{metric}": worth.scores.p_1,
            metric: report.cell(DEFAULT, "old").metrics[metric],
        }
        for name, estimate in expected.items():
            (row,) = [r for r in rows if (r.method, r.pair, r.metric, r.seed) == (DEFAULT, "1,0", name, 1)]
            assert (row.value, row.lower) == pytest.approx((estimate.value, estimate.low), abs=1e-6), name
        mean = value(rows, DEFAULT, "1,0", metric, MEAN)
        assert mean == pytest.approx(np.mean([value(rows, DEFAULT, "1,0", metric, s) for s in (0, 1)]), abs=2e-6)
    gains = [value(rows, method, "1,0", "gain/map", MEAN) for method in (DEFAULT, PLAIN)]
    assert value(rows, AHEAD, "1,0", "gain/map", MEAN) == pytest.approx(gains[0] - gains[1], abs=3e-6)
    assert len({row.key for row in rows}) == len(rows)
    text = page(rows, (scenario,))
    assert "mAP: the backward rule of the default, +" in text
    assert "A free model in the old gallery: recall@1" in text
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")][2:5] == [
        "| old",
        "| default",
        "| influence",
    ]


def test_a_chain_has_a_triangle_and_its_figures(manifest: Manifest, make_vectors: MakeVectors) -> None:
    scenario = Scenario("chain", tuple(Version(SMALL, f"core=1,a={v}") for v in range(4)), (DEFAULT,))
    found = [finished(judged, manifest, make_vectors) for judged in judged_models(scenario, (0,))]
    rows = rows_of(found, 1, "studies.updates")
    assert value(rows, DEFAULT, "all", "ac/map", 0) == 1
    triangle = [value(rows, DEFAULT if t else "old", f"{t},{s}", "map", 0) for t in range(4) for s in range(t + 1)]
    assert value(rows, DEFAULT, "all", "am/map", 0) == pytest.approx(np.mean(triangle), abs=1e-5)
    assert "AC of the default over 4 versions is 100.0" in page(rows, (scenario,))
    partial = [one for one in found if one.judged.version != 1]
    kept = rows_of(partial, 1, "studies.updates")
    assert not [row for row in kept if row.metric.startswith("ac/")], "a chain with a gap has no AC"


def test_spaces_are_checked(manifest: Manifest, make_vectors: MakeVectors) -> None:
    old, stranger = make_vectors(manifest, noise=1.0, seed=0), make_vectors(manifest, noise=1.0, seed=0, space="other")
    with pytest.raises(IncompatibleSpaceError, match="the new model"):
        table_of(manifest, "manifest", stranger, [old], control=False)
    with pytest.raises(ConfigError, match="a free model lives in the old space"):
        table_of(manifest, "manifest", old, [old], control=True)
    wide = make_vectors(manifest, noise=1.0, seed=0, space="other", dim=24)
    assert "0/map" not in table_of(manifest, "manifest", wide, [old], control=True).columns


def test_columns_are_written_and_read_back(shapes_folder: Path, make_vectors: MakeVectors, tmp_path: Path) -> None:
    shapes = read_manifest(shapes_folder)
    for name, noise in (("v1", 1.0), ("v2", 0.5)):
        make_vectors(shapes, noise=noise, seed=1).save(tmp_path / name)
    words = [shapes_folder, "--model", tmp_path / "v2", "--gallery", tmp_path / "v1", "--protocol", "B"]
    out = tmp_path / "columns"
    done = CliRunner().invoke(updates_columns.main, [*map(str, words), "-o", str(out), "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert {"alone/map", "0/map", "0/recall@1"} <= load(out)["B"].columns.keys()


def test_the_scenarios_are_those_of_the_claims() -> None:
    assert [s.name for s in SCENARIOS] == [
        "extended-data",
        "extended-class",
        "extended-backbone",
        "chain",
        "chain-data",
    ]
    assert len(SCENARIOS[-1].versions) == 4
