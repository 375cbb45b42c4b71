"""The study of linear-quadratic fine-tuning: its plan, its arms on a tiny net, its rows and its page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from hetvs.config import StudentConfig, TeacherConfig
from hetvs.files import write_json
from hetvs.linear.network import Linearised
from hetvs.linear.targets import label_targets
from hetvs.manifest import Manifest
from hetvs.training.student import train_student
from hetvs.training.teacher import train_teacher
from studies import lqf_agreement, lqf_compat, lqf_cost, lqf_task
from studies.lqf.__main__ import main
from studies.lqf.agreement import PAIRS
from studies.lqf.arms import LQF, Fit, best_of, convex, cross_entropy, descent, half_squares
from studies.lqf.compat import ADAMW, START
from studies.lqf.page import write_page
from studies.lqf.plan import RESULT, SEEDS
from studies.lqf.rows import APART, COSTS, rows_of
from studies.shared.jobs import Job
from tests.tiny_tangent import pixels_of, small_embedder

ABLATIONS = ("without leaky ReLU", "without MSE", "without K-FAC", "standard linearisation")


def test_the_plan_is_printed_and_nothing_runs(tmp_path: Path) -> None:
    words = ["--dry-run", "--home", str(tmp_path / "lqf"), "--shared", str(tmp_path / "shared")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    names = [line.split()[1] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert {"lqf/fashion-mnist/1-s0", "lqf/compat/openmoji-s2", "lqf/cost/1000-images", "lqf/cost/bench"} <= set(names)
    assert names.index("lqf/start") < names.index("lqf/leaky-start") < names.index("lqf/fashion-mnist/1-s0")
    assert not (tmp_path / "lqf").exists()
    wrong = CliRunner().invoke(main, [*words, "--only", "nothing"])
    assert (wrong.exit_code, "matches none of" in wrong.stderr) == (1, True)


@pytest.fixture(scope="module")
def fit() -> Fit:
    net = Linearised(small_embedder().float(), layers=0)
    prefix = net.prefix(pixels_of(12))
    return Fit(net, prefix, label_targets(["a", "b", "c"] * 4, 15.0)[1], half_squares)


def test_a_convex_arm_learns_its_images_and_repeats_itself(fit: Fit) -> None:
    predict, steps = convex(fit, 1e-3, kfac=True, steps=200)
    assert steps > 0
    wanted = fit.target_nD.argmax(1)
    assert (predict(fit.prefix_n).argmax(1) == wanted).double().mean() >= 0.75
    torch.testing.assert_close(convex(fit, 1e-3, kfac=True, steps=200)[0](fit.prefix_n), predict(fit.prefix_n))


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_descent_lowers_its_loss_and_leaves_the_start_alone(
    fit: Fit, linear: bool, optimiser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.lqf.arms.STEPS", 40)
    fit = replace(fit, loss=cross_entropy)
    before = fit.net.plain(fit.prefix_n).detach()
    after = descent(fit, 1e-2, optimiser=optimiser, linear=linear, seed=0)(fit.prefix_n)
    assert cross_entropy(after, fit.target_nD) < cross_entropy(before.double(), fit.target_nD)
    assert bool((fit.net.plain(fit.prefix_n) == before).all())


def test_the_earlier_of_equals_is_taken() -> None:
    trials = [lambda x, k=k: x + k for k in (0.0, 2.0, 2.0)]
    predict, number = best_of(trials, lambda p: p(torch.zeros(1)).item())
    assert (number, predict(torch.ones(1)).item()) == (1, 3.0)


def finished(home: Path, name: str, result: object) -> Job:
    output = home / name
    write_json(output / "result.json", result)
    return Job(name=f"lqf/{name}", kind=RESULT, words=("x",), output=output, record=home / name.replace("/", "-"))


def test_rows_are_paired_and_the_page_holds_only_their_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good, bad = ([int(b) for b in rng.random(200) < p] for p in (0.9, 0.6))
    task = {"macs": 10, "arms": {LQF: {"right": good}, "AdamW": {"right": bad}}}
    kinds = {"style": {"right": [1.0, 0.0, 1.0, 1.0]}, "elsewhere": {"right": [1.0, 1.0, 0.0, 0.0]}}
    worse = {"style": {"right": [0.0, 0.0, 1.0, 1.0]}, "elsewhere": {"right": [1.0, 1.0, 0.0, 0.0]}}
    compat = {"macs": 10, "arms": {"not adapted": worse, "linear-quadratic": kinds, "AdamW": worse}}
    cost = dict.fromkeys(COSTS, 2.0) | {"plain_steps": 30, "kfac_steps": 10, "images": 200, "macs": 10}
    agreement = {"macs": 10, "images": 50, "share": 1.0, "differences": {"cg, dual": 1e-4}}
    results = {f"digits/5-s{seed}": task for seed in SEEDS} | {f"compat/noto-s{seed}": compat for seed in SEEDS}
    results |= {"digits/9-s0": task, "compat/blobmoji-s0": compat, "cost/200-images": cost}
    results["agreement/lambda-1"] = agreement
    rows = rows_of([finished(tmp_path, name, result) for name, result in results.items()])
    found = {(r.dataset, r.protocol, r.method, r.metric, r.seed): r for r in rows}
    difference = found["digits", "5 a class", "linear-quadratic - AdamW", "accuracy", "mean"]
    assert difference.value == pytest.approx(np.mean(good) - np.mean(bad))
    assert difference.lower is not None
    assert difference.lower > 0
    assert {r.seed for r in rows if r.protocol == "9 a class"} == {0}, "no mean before all seeds are there"
    assert not any(r.dataset == "blobmoji" for r in rows)
    assert found["noto", "style", "linear-quadratic", "gain/recall@1", "mean"].value == 0.25
    assert found["noto", "style", "linear-quadratic", "nfr@1", "mean"].value == 0
    assert found["emoji", "cost, 200 images", "linear-quadratic", "steps_ratio", "mean"].value == 3
    assert found["fashion-mnist", "50 images, lambda 1", "cg, dual", APART, "mean"].value == 1e-4
    write_page(tmp_path / "page.md", rows)
    page = (tmp_path / "page.md").read_text()
    assert "With 5 a class it is above AdamW" in page
    assert f"{100 * np.mean(good):.1f}" in page


@pytest.mark.slow
def test_a_task_runs_every_arm(
    shapes: Manifest, shapes_folder: Path, tiny_teacher: TeacherConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.lqf.arms.STEPS", 3)
    for name in ("relu", "leaky_relu"):
        train_teacher(shapes, tmp_path / name, replace(tiny_teacher, activation=name, epochs=1))
    words = [str(shapes_folder), "--column", "domain", "--shots", "3", "--seed", "0", "-o", str(tmp_path / "out")]
    starts = ["--leaky", str(tmp_path / "leaky_relu"), "--relu", str(tmp_path / "relu")]
    result = CliRunner().invoke(lqf_task.main, [*words, *starts])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert set(found["arms"]) == {LQF, "AdamW", "SGD", "linear head", *ABLATIONS}
    assert found["images"] == 12
    assert all(len(arm["right"]) == 12 for arm in found["arms"].values())


def test_solvers_seeds_and_orders_agree_and_adamw_does_not(
    shapes: Manifest, shapes_folder: Path, tiny_teacher: TeacherConfig, tmp_path: Path
) -> None:
    train_teacher(shapes, tmp_path / "leaky", replace(tiny_teacher, activation="leaky_relu", epochs=1))
    words = [str(shapes_folder), "--column", "domain", "--start", str(tmp_path / "leaky")]
    words += ["--shots", "6", "--layers", "2", "--share", "10"]
    result = CliRunner().invoke(lqf_agreement.main, [*words, "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "result.json").read_text())["differences"]
    assert list(found) == list(PAIRS)
    assert max(found[pair] for pair in PAIRS[:3]) < 1e-3
    assert found["adamw, another seed"] > 10 * found["sgd, another seed"]


@pytest.mark.slow
def test_a_style_never_seen_and_the_cost_of_it(
    shapes: Manifest, shapes_folder: Path, shapes_cloud: Path, tiny_student: StudentConfig, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("studies.lqf.arms.STEPS", 3)
    train_student(shapes, shapes_cloud, tmp_path / "edge", replace(tiny_student, activation="leaky_relu", ridge="end"))
    table = (shapes_folder / "manifest.csv").read_text().replace("pen0", "mozilla").replace("pen1", "openmoji")
    lines = [f"{line},{'core' if line.startswith('path') else 1}" for line in table.splitlines()]
    (tmp_path / "manifest.csv").write_text("\n".join(lines).replace("images/", f"{shapes_folder}/images/") + "\n")
    words = [str(tmp_path), "--cloud", str(shapes_cloud), "--start", str(tmp_path / "edge")]
    job = [*words, "--domain", "openmoji", "--layers", "2", "--seed", "0", "-o", str(tmp_path / "style")]
    result = CliRunner().invoke(lqf_compat.main, job)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "style" / "result.json").read_text())
    assert set(found["arms"]) == {START, LQF, ADAMW}
    assert found["images"] == 6
    assert [len(arm["style"]["right"]) for arm in found["arms"].values()] == [3] * 3
    assert [len(arm["elsewhere"]["right"]) for arm in found["arms"].values()] == [9] * 3
    result = CliRunner().invoke(lqf_cost.main, [*words, "--layers", "2", "-o", str(tmp_path / "cost")])
    assert result.exit_code == 0, result.output
    assert set(COSTS) <= set(json.loads((tmp_path / "cost" / "result.json").read_text()))
