"""hetvs search-student on a small supernet: files, resumption, points, rewards."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from hetvs.artifacts import EdgeBundle, ModelCard
from hetvs.cli import main
from hetvs.config import SearchConfig, SupernetConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.models.storage import load_run
from hetvs.nas.candidate import best_of
from hetvs.nas.driver import Desk, Order, search
from hetvs.nas.latency import LatencyTable, reachable
from hetvs.nas.pairing import pairings_of
from hetvs.nas.points import write_point
from hetvs.nas.rewards import Rewards
from hetvs.nas.space import read_architecture
from hetvs.training.supernet import train_supernet

HETVS = Path(sys.executable).with_name("hetvs")
SIZES = (16, 24)


@pytest.fixture(scope="module")
def supernet(shapes: Manifest, shapes_cloud: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A supernet of one epoch: its scores mean little, but they differ."""
    output = tmp_path_factory.mktemp("supernet") / "anchored"
    output.mkdir()
    config = SupernetConfig(
        sizes=SIZES, source_size=24, epochs=1, batch_size=16, views=1, queue=32, amp="off", threads=1
    )
    train_supernet(shapes, shapes_cloud, output, config)
    return output


@pytest.fixture(scope="module")
def order(shapes_folder: Path, shapes_cloud: Path, supernet: Path, tmp_path_factory: pytest.TempPathFactory) -> Order:
    output = tmp_path_factory.mktemp("search")
    return Order(
        data=shapes_folder, teacher=shapes_cloud, supernet=supernet, output=output, config=SearchConfig(candidates=6)
    )


@pytest.fixture(scope="module")
def desk(order: Order) -> Desk:
    """A search of six candidates that is done."""
    candidates, desk = search(order, lambda progress: None)
    assert len(candidates) == 6
    return desk


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def words_of(order: Order, output: Path, *more: object) -> list[object]:
    found = ["search-student", order.data, "--teacher", order.teacher, "--supernet", order.supernet, "-o", output]
    return [*found, "--candidates", 5, "--export", 0, *more]


def test_the_command_writes_its_files_and_says_what_is_next(order: Order, tmp_path: Path) -> None:
    output = tmp_path / "search"
    done = run(*words_of(order, output))
    assert done.exit_code == 0, done.output
    with (output / "candidates.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert all(float(row["reward"]) == float(row["R2"]) for row in rows)
    best = max(rows, key=lambda row: float(row["reward"]))
    assert json.loads((output / "best.json").read_text())["reward"] == float(best["reward"])
    assert read_architecture(output / "best.json").img_size in SIZES
    assert (output / "front.png").read_bytes().startswith(b"\x89PNG")
    page = (output / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert f"--arch {output / 'best.json'}" in done.output
    again = run(*words_of(order, output))
    assert again.exit_code == 1
    assert "--resume" in again.output
    more = run(*words_of(order, output, "--resume", "--candidates", 7, "--json"))
    assert more.exit_code == 0, more.output
    assert len((output / "candidates.csv").read_text().splitlines()) == 8
    other = run(*words_of(order, output, "--resume", "--seed", 1))
    assert "begun with seed = 0, not 1" in other.output


def test_a_search_of_another_mode_than_its_supernet_is_refused(order: Order, tmp_path: Path) -> None:
    done = run(*words_of(order, tmp_path / "search", "--mode", "faithful"))
    assert done.exit_code == 1
    assert "is anchored, the search is faithful; set --mode anchored" in done.output


def test_latency_is_what_is_searched_by_where_a_table_is(order: Order, desk: Desk, tmp_path: Path) -> None:
    ratios = {op: 1e-3 * (op.macs + 1) ** 0.5 for op in reachable(desk.plan.space, desk.card.dim)}
    LatencyTable(ratios=ratios, runtime={}).save(tmp_path / "table.json")
    config = SearchConfig(candidates=3, reward="R4", latency_table=str(tmp_path / "table.json"))
    candidates, _ = search(replace(order, output=tmp_path / "search", config=config), lambda progress: None)
    assert all(one.cost == one.costs.latency_ratio for one in candidates)
    assert all(one.reward == one.scores["R2"] for one in candidates)


def test_a_point_is_the_subnet_itself_and_lives_in_the_clouds_space(order: Order, desk: Desk, tmp_path: Path) -> None:
    best = best_of(desk.history.candidates())
    assert best is not None
    subnet = desk.judge.subnet(best.arch)
    write_point(tmp_path / "point-1", subnet, best, desk.card.space, order.data, {"R2": 0.5})
    alone, card = load_run(tmp_path / "point-1")
    pixels = torch.from_numpy(desk.judge.evidence.validation.pixels(best.arch.img_size))
    with torch.no_grad():
        assert float((alone(pixels) - subnet(pixels)).abs().max()) <= 1e-5
    assert card.space == ModelCard.load(order.teacher).space
    assert card.macs == best.costs.macs
    assert card.validation["search/R2"] == pytest.approx(best.scores["R2"], abs=1e-6)
    assert card.validation["val/R2"] == 0.5


def test_a_network_trained_alone_is_paired_with_its_cut(order: Order, desk: Desk, tmp_path: Path) -> None:
    """Where the run is the cut itself both scores agree."""
    best = best_of(desk.history.candidates())
    assert best is not None
    write_point(tmp_path / "alone", desk.judge.subnet(best.arch), best, desk.card.space, order.data, {})
    (pairing,) = pairings_of(desk.judge, desk.card.space, [tmp_path / "alone"])
    assert pairing.supernet == best.scores["R2"]
    assert pairing.alone == pytest.approx(best.scores["R2"], abs=1e-4)
    with pytest.raises(ConfigError, match="a ranking needs each once"):
        pairings_of(desk.judge, desk.card.space, [tmp_path / "alone"] * 2)
    with pytest.raises(ConfigError, match="no architecture of a search"):
        pairings_of(desk.judge, desk.card.space, [order.teacher])


def test_r6_is_the_worst_ordered_pair(desk: Desk) -> None:
    judge, arch = desk.judge, desk.plan.space.smallest()
    evidence = judge.evidence
    other = np.random.default_rng(0).standard_normal(evidence.gallery_nD.shape).astype(np.float32)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    rewards = Rewards(judge=judge, reward="R6", space=desk.card.space, family={"old": other})
    own = evidence.validation.vectors(judge.subnet(arch), arch.img_size)
    vectors = (evidence.gallery_nD, own, other)
    naive = [evidence.validation.metrics(q, g, "a")["val/a/map"] for q, g in permutations(vectors, 2)]
    assert len(naive) == 6
    assert rewards.full(arch)["R6"] == min(naive)


def test_r7_asks_the_int8_graph(desk: Desk) -> None:
    """A rounding that rounds nothing gives R2; without one it is refused."""

    def unrounded(model: torch.nn.Module, card: ModelCard, calibration: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        assert calibration.shape[1:] == pixels.shape[1:] == (*[card.preprocess.size_px] * 2, 3)
        with torch.no_grad():
            vectors: np.ndarray = model(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
        return vectors

    arch = desk.plan.space.smallest()
    found = Rewards(judge=desk.judge, reward="R7", space=desk.card.space, int8=unrounded).full(arch)
    assert found["R7"] == pytest.approx(found["R2"], abs=1e-4)
    with pytest.raises(ConfigError, match="R7 needs the exporter"):
        Rewards(judge=desk.judge, reward="R7", space=desk.card.space).full(arch)


@pytest.mark.slow
def test_r7_through_the_real_quantiser(desk: Desk) -> None:
    from export.int8_vectors import int8_vectors

    found = Rewards(judge=desk.judge, reward="R7", space=desk.card.space, int8=int8_vectors).full(
        desk.plan.space.smallest()
    )
    assert 0 < found["R7"] <= 1


@pytest.mark.slow
def test_points_of_the_front_become_bundles_of_one_space_with_a_family_matrix(order: Order, tmp_path: Path) -> None:
    output = tmp_path / "search"
    done = run(*words_of(order, output, "--export", 2))
    assert done.exit_code == 0, done.output
    bundles = [EdgeBundle.load(folder) for folder in sorted((output / "bundles").iterdir())]
    assert bundles
    assert {bundle.card.space for bundle in bundles} == {ModelCard.load(order.teacher).space}
    assert all(bundle.parity_max_abs <= 1e-5 for bundle in bundles)
    best = json.loads((output / "best.json").read_text())
    assert bundles[0].card.backbone_options["genes"] == {k: best[k] for k in ("space", "img_size", "width", "stages")}
    assert "<h2>The family</h2>" in (output / "report.html").read_text()
    again = run(*words_of(order, output, "--export", 1, "--no-refit", "--resume"))
    assert again.exit_code == 0, again.output
    refitted, cut_out = bundles[0].card, EdgeBundle.load(output / "bundles" / "point-1").card
    assert refitted.validation["search/R2"] == cut_out.validation["search/R2"] == cut_out.validation["val/R2"]
    assert refitted.validation["val/cosine"] != cut_out.validation["val/cosine"]


@pytest.mark.slow
def test_killed_and_resumed_it_tries_what_it_would_have_tried(order: Order, tmp_path: Path) -> None:
    """kill -9 of the command itself, somewhere in the middle; then two workers add to it."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    words = [str(word) for word in words_of(order, killed, "--candidates", 8)]
    process = subprocess.Popen([HETVS, *words], stderr=subprocess.DEVNULL)
    log = killed / "search.log"
    while not log.exists() or log.read_bytes().count(b'"scores"') < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    for output, more in ((killed, ["--resume"]), (whole, [])):
        assert run(*words_of(order, output, "--candidates", 8, *more)).exit_code == 0
    assert (killed / "candidates.csv").read_text() == (whole / "candidates.csv").read_text()
    both = run(*words_of(order, killed, "--candidates", 12, "--workers", 2, "--resume"))
    assert both.exit_code == 0, both.output
    assert len((killed / "candidates.csv").read_text().splitlines()) in (13, 14)


@pytest.mark.slow
def test_without_a_supernet_one_is_trained(order: Order, tmp_path: Path) -> None:
    recipe = tmp_path / "supernet.toml"
    settings = ("sizes = [16, 24]", "source_size = 24", "epochs = 1", "batch_size = 16", "views = 1", "queue = 32")
    recipe.write_text("\n".join((*settings, "amp = 'off'", "threads = 1")))
    output = tmp_path / "search"
    words = ["search-student", order.data, "--teacher", order.teacher, "-o", output, "--supernet-config", recipe]
    done = run(*words, "--mode", "faithful", "--candidates", 3)
    assert done.exit_code == 0, done.output
    assert ModelCard.load(output / "supernet").training["mode"] == "faithful"
    assert not (output / "bundles").exists()
