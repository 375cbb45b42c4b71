"""The study of products: its plan, what a judged pair says, rows and page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet
from hetvs.config import EvaluateConfig
from hetvs.errors import ArtifactError
from hetvs.manifest import Manifest
from hetvs.retrieval.judge import evaluate
from hetvs.retrieval.matrix import Contender, Judged
from hetvs.retrieval.protocols import held_out, protocol_of
from hetvs.retrieval.thresholds import calibrate, realised_fpir
from studies import product_pair
from studies.compatibility.cases import EMOJI
from studies.product.__main__ import SEEDS, main
from studies.product.certified import EDGE_ALONE
from studies.product.page import PARTS, page
from studies.product.pair import MAPPED, OWN, RATES, UNMAPPED, Pair, judge_pair, together
from studies.product.plan import NAME, RIVAL_OF, VECTORS, ProductPlanner
from studies.shared.cases import Case, Places
from studies.shared.jobs import Job, with_needs
from studies.shared.methods import CLOUD, DEFAULT, difference_of
from studies.shared.planner import Planner
from studies.shared.rows import MEAN, Row, merge_rows
from tests.tiny_product import command_of, jobs_of

ROOT = Path(__file__).parents[1]
JUDGE = EvaluateConfig(protocol="B", false_rates=RATES, draws=100, threads=1)
Vectors = Callable[..., EmbeddingSet]


@pytest.fixture
def planner(tmp_path: Path) -> ProductPlanner:
    """The real study, on the real recipes."""
    return ProductPlanner(Places(home=tmp_path / "runs", recipes=ROOT / "docs/recipes"), SEEDS)


def parse(words: list[str]) -> None:
    """Parse a command without running it; a UsageError when it would be refused."""
    command, words = command_of(words)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None
        command, words = found, words[1:]
    command.make_context(command.name, list(words))


def test_every_command_would_be_taken(planner: ProductPlanner) -> None:
    jobs = jobs_of(planner)
    assert {"pair", "speed", "train", "vectors", "columns"} <= {job.kind.name for job in jobs}
    for job in jobs:
        parse([*job.words, *(["--threads", "1"] if job.kind.threaded else [])])
        if job.kind.goes_on:
            parse([*job.words, job.kind.goes_on])


def test_models_are_those_of_the_study_of_compatibility(planner: ProductPlanner) -> None:
    theirs = Planner(planner.places, SEEDS)
    cases = (Case(EMOJI, "1", CLOUD), Case(EMOJI, "1/80", DEFAULT))
    shared = {job.name: job for job in with_needs(m.columns for case in cases for m in theirs.models(case))}
    mine = {job.name: job for job in jobs_of(planner)}
    assert shared.keys() <= mine.keys()
    assert all(mine[name].identity == job.identity for name, job in shared.items())


def test_an_arm_differs_from_the_default_in_what_teaches_it_alone(planner: ProductPlanner) -> None:
    default = planner.default[1].train
    kept = ("--config", "--views-folder", "--seed")
    for method in (VECTORS, *RIVAL_OF):
        train = planner.arm(method)[1].train
        for flag in kept:
            assert value_of(train, flag) == value_of(default, flag), (method, flag)
        assert (value_of(train, "--teacher") == value_of(default, "--teacher")) == (method != VECTORS)
        assert planner.arm(method)[1].columns.after[1] == planner.default[1].columns.after[1], "one gallery for all"
    rival = planner.arm(next(iter(RIVAL_OF)))[0].train
    assert value_of(rival, "--loss") == "mse"
    assert value_of(rival, "--anchor") == value_of(rival, "--context") == "0.0"


def value_of(job: Job, flag: str) -> str:
    return job.words[job.words.index(flag) + 1]


def test_a_pair_has_val_and_test_images_of_both_sides(planner: ProductPlanner) -> None:
    words = planner.pairs[2].words
    sides = [word for flag, word in pairwise(words) if flag in ("--gallery", "--query")]
    assert [Path(side).name for side in sides] == ["gallery", "gallery-val", "1-80-default-s2", "1-80-default-s2-val"]


def test_dry_run_of_a_part(tmp_path: Path) -> None:
    words = ["--dry-run", "--home", str(tmp_path), "--docs", str(ROOT / "docs"), "--only", "thresholds"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "emoji-product/1-80-default-s0 pair" in done.stdout
    assert "rival" not in done.stdout


def sides(manifest: Manifest, make_vectors: Vectors, seed: int = 2) -> tuple[EmbeddingSet, EmbeddingSet]:
    """A cloud model, and a student of its space: the cloud's vectors, disturbed so little that some are certified."""
    cloud = make_vectors(manifest, noise=0.6, seed=1)
    moved = cloud.vectors_ND + 0.02 * np.random.default_rng(seed).normal(size=cloud.vectors_ND.shape)
    moved = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return cloud, replace(cloud, vectors_ND=moved, model_digest=f"student {seed}")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """320 images of 20 val and 20 test classes in two domains, without files."""
    n = 320
    return Manifest(
        source=tmp_path_factory.mktemp("toy") / "toy.csv",
        ids=np.array([f"{row:04d}" for row in range(n)]),
        paths=tuple(Path(f"{row:04d}.png") for row in range(n)),
        labels=np.array([f"c{row % 40}" for row in range(n)]),
        domains=np.array([f"d{row // 40 % 2}" for row in range(n)]),
        splits=np.array([("val", "test")[row % 2] for row in range(n)]),
        is_query=np.ones(n, bool),
        is_gallery=np.ones(n, bool),
        boxes=np.full((n, 4), np.nan),
        extra={},
    )


def test_a_pair_says_what_the_library_says(table: Manifest, make_vectors: Vectors) -> None:
    cloud, student = sides(table, make_vectors)
    found = judge_pair(table, cloud, student, JUDGE)
    contenders = Contender("g", cloud), Contender("q", student)
    config = replace(JUDGE, certify=True, open_set=True, examples=0)
    report = evaluate(table, protocol_of(table, "B"), contenders[0], [contenders[1]], None, config)
    certificate = report.certificates[0]
    assert found.facts["eps"] == certificate.eps
    for kind in certificate.kinds:
        assert found.asked.columns[f"certified/{kind.kind}"].mean() == pytest.approx(kind.share.value)
    points = {(p.query, p.gallery): p for p in report.open_set}
    for fact in found.facts["open_set"]:
        rate = float(fact["metric"].partition("=")[2])
        q, g = fact["pair"].split(",")
        named = points[q, g].tpir if fact["metric"].startswith("tpir") else points[q, g].tar
        assert fact["value"] == next(p.accepted.value for p in named if p.target == rate)
    above = found.asked.columns["certified/trusted"]
    assert above.mean() == pytest.approx(certificate.trusted.share.value)
    assert found.facts["margin"] == certificate.trusted.margin
    served = protocol_of(table, "B", "test")
    asking, tested = Judged.of(table, held_out(table, served, "val")), Judged.of(table, served)
    thresholds = calibrate(asking, contenders[1], contenders[0], "val", JUDGE)
    for point in thresholds.paragon.tpir:
        score = point.threshold.value
        assert score is not None
        mapped = thresholds.map.from_paragon(score)
        rates = realised_fpir(tested, contenders[1], contenders[0], (mapped, score), JUDGE)
        own = realised_fpir(tested, contenders[0], contenders[0], (score,), JUDGE)
        for name, rate_of in zip((MAPPED, UNMAPPED, OWN), (*rates, *own), strict=True):
            assert found.unmated.columns[f"{name}/{point.target:g}"].mean() == pytest.approx(rate_of.value)


def test_a_pair_is_kept_in_files(
    table: Manifest, make_vectors: Vectors, write_table: Callable[..., Path], tmp_path: Path
) -> None:
    cloud, student = sides(table, make_vectors)
    parts = {}
    for name, side in (("g", cloud), ("q", student)):
        for number, split in enumerate(("val", "test")):
            rows = table.rows(split)
            ids = tuple(table.ids[rows].tolist())
            parts[name, number] = tmp_path / f"{name}{number}"
            replace(side, vectors_ND=side.vectors_ND[rows], ids=ids).save(parts[name, number])
    columns = (table.ids, [path.name for path in table.paths], table.labels, table.domains, table.splits)
    write_table(tmp_path, ["id", "path", "label", "domain", "split"], *zip(*columns, strict=True))
    words = [str(tmp_path), "--protocol", "B", "--threads", "1", "-o", str(tmp_path / "pair")]
    for flag, name in (("--gallery", "g"), ("--query", "q")):
        words += [word for number in (0, 1) for word in (flag, str(parts[name, number]))]
    done = CliRunner().invoke(product_pair.main, words)
    assert done.exit_code == 0, done.output
    kept = Pair.load(tmp_path / "pair")
    assert kept.facts["eps"] == judge_pair(table, cloud, student, JUDGE).facts["eps"]
    with pytest.raises(ArtifactError, match="of several models"):
        together([EmbeddingSet.load(parts["g", 0]), EmbeddingSet.load(parts["q", 1])])


def judged_rows(planner: ProductPlanner, table: Manifest, make_vectors: Vectors, seeds: int) -> list[Row]:
    for seed in range(seeds):
        job = planner.pairs[seed]
        if job.state() == "done":
            continue
        job.begin()
        cloud, student = sides(table, make_vectors, seed + 2)
        judge_pair(table, cloud, student, JUDGE).save(job.output, overwrite=True)
    return [row for part in PARTS for row in part.rows(planner)]


def test_rows_are_per_seed_and_their_mean_and_the_page_speaks_of_the_mean(
    planner: ProductPlanner, table: Manifest, make_vectors: Vectors, tmp_path: Path
) -> None:
    two = judged_rows(planner, table, make_vectors, 2)
    assert {row.seed for row in two if row.method == DEFAULT} == {0, 1}, "no mean before all seeds are there"
    assert "Nothing measured yet." in page(two)
    rows = judged_rows(planner, table, make_vectors, 3)
    merge_rows(tmp_path / "results.json", NAME, rows)  # no two rows have one key
    by = {(row.method, row.seed, row.metric): row for row in rows if row.pair == "q,g"}
    for metric in ("certified/top_1", "realised fpir=0.1", "tpir@fpir=0.1", "cascade/0 %"):
        method = f"{DEFAULT}, {MAPPED}" if "realised" in metric else DEFAULT
        single = [by[method, seed, metric].value for seed in SEEDS]
        assert by[method, MEAN, metric].value == pytest.approx(np.mean(single), abs=2e-6)
    alone = by[DEFAULT, MEAN, EDGE_ALONE]
    assert alone.lower is not None
    assert alone.lower <= alone.value <= 1
    said = page(rows)
    assert "another first answer than the cloud's; at most 10 (alpha, calibrated on val) is met" in said
    none = [replace(row, value=None) if row.metric.startswith("disagreement/") else row for row in rows]
    assert "no query is certified: the claim is empty" in page(none)
    assert "inside" in said
    assert all(row.command == f"python -m studies.product --only {row.command.split()[-1]}" for row in rows)


def test_the_page_says_of_every_claim_whether_it_is_met() -> None:
    def row(method: str, metric: str, value: float, lower: float | None = None, upper: float | None = None) -> Row:
        cost = metric in ("images_per_cpu_s", "cpu_ratio")
        return Row(
            study=NAME, dataset="emoji", protocol="" if cost else "B", method=method, size="1/80", macs=1,
            seed=0 if cost else MEAN, metric=metric, pair="" if cost else "q,g", value=value, lower=lower, upper=upper,
            command="python -m studies.product",
        )  # fmt: skip

    mse_arm, similarity_arm, xent_arm = RIVAL_OF
    said = page(
        [
            row(difference_of(DEFAULT, VECTORS), "difference/recall@1", 0.004, 0.001, 0.007),
            row(difference_of(DEFAULT, VECTORS), "difference/map", 0.02, 0.01, 0.03),
            row(difference_of(DEFAULT, mse_arm), "difference/map", 0.02, 0.01, 0.03),
            row(difference_of(DEFAULT, similarity_arm), "difference/map", -0.02, -0.03, -0.01),
            row(difference_of(DEFAULT, xent_arm), "difference/map", 0.0, -0.01, 0.01),
            *(row(method, "images_per_cpu_s", 900.0) for method in (DEFAULT, *RIVAL_OF)),
            *(row(method, "cpu_ratio", 1.06, 1.0, 1.1) for method in RIVAL_OF),
        ]
    )
    assert "recall@1: the run taught +0.4 [+0.1, +0.7] points better than its vectors alone; at most 0.5 is met" in said
    assert "+2.0 [+1.0, +3.0] points better than its vectors alone; at most 0.5 is not met" in said
    assert f"mAP: ours is above the student {mse_arm}" in said
    assert f"mAP: ours is below the student {similarity_arm}" in said
    assert f"mAP: ours may or may not be above the student {xent_arm}" in said
    assert "At most 1.05 times the CPU time of the fastest is not met: 1.060" in said
