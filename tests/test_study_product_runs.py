"""The commands of the study of products: other people's losses, and every part once at toy size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet, ModelCard
from hetvs.config import StudentConfig
from hetvs.files import read_json
from hetvs.losses import LOSSES
from hetvs.losses.batch import Batch
from hetvs.manifest import Manifest
from hetvs.settings import read_config
from hetvs.training.student import train_student
from studies import product_rival, product_speed, product_vectors
from studies.product.losses import RIVALS, mse, multi_similarity, nt_xent
from studies.product.page import PARTS, page
from studies.product.pair import MAPPED
from studies.product.plan import NAME, RIVAL_OF, VECTORS, VIEWS, ProductPlanner
from studies.shared.cases import Dataset, Places
from studies.shared.jobs import Job
from studies.shared.methods import CLOUD, DEFAULT
from studies.shared.rows import merge_rows
from tests.conftest import draw_shapes
from tests.tiny_product import command_of, jobs_of

TINY = (
    'backbone = "hetvs/edgenet"\nwidth = 0.5\ndepth = 1\nimg_size = 16\nsource_size = 24\nepochs = 2\nbatch_size = 16\n'
    "views = 2\nqueue = 24\nblocks = 0\namp = 'off'\nthreads = 1\n"
)


def batch(seed: int = 0) -> Batch:
    """Five images: two of class 0, one of class 1, two without a label."""
    generator = torch.Generator().manual_seed(seed)
    query, teacher = (F.normalize(torch.randn(5, 4, generator=generator), dim=1) for _ in range(2))
    empty = torch.zeros(0)
    return Batch(
        query_BD=query,
        teacher_BD=teacher,
        labels_B=torch.tensor([0, 0, 1, -1, -1]),
        images_B=torch.tensor([7, 3, 0, 4, 9]),
        keys_SD=empty,
        key_images_S=empty,
        key_labels_S=empty,
        prototypes_CD=empty,
        scale=1.0,
    )


def test_mse_is_the_mean_over_all_components() -> None:
    right_angle = replace(batch(), query_BD=torch.tensor([[1.0, 0.0]]), teacher_BD=torch.tensor([[0.0, 1.0]]))
    assert mse(right_angle, None).item() == 1.0


def test_multi_similarity_is_that_of_the_paper_by_class_against_the_teacher() -> None:
    shown = batch()
    score = (shown.query_BD @ shown.teacher_BD.T).tolist()
    label = [0, 0, 1, "a", "b"]  # an image without a label is alone in its class
    total = 0.0
    for i in range(5):
        near = sum(math.exp(-2 * (score[i][j] - 0.5)) for j in range(5) if label[i] == label[j])
        far = sum(math.exp(50 * (score[i][j] - 0.5)) for j in range(5) if label[i] != label[j])
        total += math.log(1 + near) / 2 + math.log(1 + far) / 50
    assert multi_similarity(shown, None).item() == pytest.approx(total / 5, rel=1e-5)


def test_nt_xent_is_the_cross_entropy_of_finding_the_own_vector() -> None:
    shown = batch(1)
    logits = shown.query_BD @ shown.teacher_BD.T / 0.07
    assert nt_xent(shown, None).item() == pytest.approx(F.cross_entropy(logits, torch.arange(5)).item(), rel=1e-5)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A student that trains in a second."""
    path = tmp_path / "student.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def registry() -> Iterator[None]:
    """Take back what a command adds to the losses that the trainer of this process knows."""
    before = dict(LOSSES)
    yield
    LOSSES.clear()
    LOSSES.update(before)


@pytest.mark.parametrize("loss", RIVALS)
def test_a_rival_joins_the_space_by_its_loss_alone(
    loss: str, shapes_folder: Path, shapes_cloud: Path, recipe: Path, tmp_path: Path, registry: None
) -> None:
    words = [str(shapes_folder), "--teacher", str(shapes_cloud), "--config", str(recipe), "--loss", loss]
    done = CliRunner().invoke(product_rival.main, [*words, "-o", str(tmp_path / "rival")])
    assert done.exit_code == 0, done.output
    card, cloud = (ModelCard.load(folder) for folder in (tmp_path / "rival", shapes_cloud))
    assert card.space == cloud.space
    assert card.training["terms"] == {loss: 1.0}
    assert card.validation["val/cosine"] > 0.2


def test_vectors_of_a_recipe_teach_a_student(
    shapes_folder: Path, shapes_cloud: Path, shapes: Manifest, recipe: Path, tmp_path: Path
) -> None:
    words = [str(shapes_folder), "--teacher", str(shapes_cloud), "--config", str(recipe), "--threads", "1"]
    done = CliRunner().invoke(product_vectors.main, [*words, "-o", str(tmp_path / "vectors")])
    assert done.exit_code == 0, done.output
    handed_out = EmbeddingSet.load(tmp_path / "vectors")
    assert set(handed_out.ids) == {*shapes.ids[shapes.rows("train")], *shapes.ids[shapes.rows("val")]}
    card = train_student(shapes, tmp_path / "vectors", tmp_path / "edge", read_config(StudentConfig, recipe))
    assert card.space == handed_out.space


@pytest.mark.slow
def test_the_speed_of_every_loss_is_beside_ours(
    shapes_folder: Path,
    shapes_cloud: Path,
    recipe: Path,
    tmp_path: Path,
    registry: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(product_speed, "ROUNDS", 2)
    words = [str(shapes_folder), "--teacher", str(shapes_cloud), "--config", str(recipe)]
    done = CliRunner().invoke(product_speed.main, [*words, "-o", str(tmp_path / "speed")])
    assert done.exit_code == 0, done.output
    found = read_json(tmp_path / "speed" / "speed.json")
    assert set(found) == {DEFAULT, *RIVALS}
    assert found[DEFAULT]["cpu_ratio"] == [1.0, 1.0, 1.0]
    assert all(values["images_per_cpu_s"] > 0 for values in found.values())


def run_here(job: Job) -> None:
    """Run a job in this process."""
    command, words = command_of(job.begin())
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, f"{job.name}: {done.output}"
    assert job.state() == "done"


@pytest.mark.slow
def test_every_part_runs_and_is_on_the_page(tmp_path: Path, registry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_speed, "ROUNDS", 2)
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    cloud = (
        "dim = 8\nimg_size = 24\nsource_size = 24\ndepth = 1\nepochs = 3\nbatch_size = 16\namp = 'off'\nthreads = 1\n"
    )
    (recipes / "shapes-cloud.toml").write_text("backbone = 'hetvs/edgenet'\n" + cloud)
    for size in ("1-80", "1-14"):
        (recipes / f"shapes-student-{size}.toml").write_text(TINY)
    folder = draw_shapes(tmp_path / "data", classes=48)
    dataset = Dataset(name="shapes", folder=folder, protocols=("B",), fetched=False)
    planner = ProductPlanner(Places(home=tmp_path / "runs", recipes=recipes), (0,), dataset, small=dataset)
    for job in jobs_of(planner):
        run_here(job)
    rows = [row for part in PARTS for row in part.rows(planner)]
    assert {row.method for row in rows} >= {DEFAULT, CLOUD, VECTORS, VIEWS, *RIVAL_OF, f"{DEFAULT}, {MAPPED}"}
    merge_rows(tmp_path / "results.json", NAME, rows)
    assert "Nothing measured yet." not in page(rows)
