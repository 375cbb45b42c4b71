"""The registry of training terms: every entry runs on a batch and is what it says; the command that lists them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from torch import Tensor

from hetvs.cli import main
from hetvs.config import PREFIXES, TERMS, UPDATE_TERMS, StudentConfig, UpdateConfig
from hetvs.losses import LOSSES
from hetvs.losses.batch import Batch

STUDENT = StudentConfig(csd_neighbours=8, rank_neighbours=4, hardest=3, prefixes="3,6")
UPDATE = UpdateConfig(hardest=3)
OF_UPDATES = [name for name in UPDATE_TERMS if name not in TERMS]


def unit(rows: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=-1)


BATCH = Batch(
    query_BD=unit(6, 8, 1),
    teacher_BD=unit(6, 8, 2),
    labels_B=torch.tensor([0, 1, 2, 0, 5, -1]),  # 5 has no prototype, -1 is unknown
    images_B=torch.arange(6),
    keys_SD=unit(20, 8, 3),
    key_images_S=torch.arange(4, 24),
    key_labels_S=torch.arange(20) % 4 - 1,
    prototypes_CD=unit(3, 8, 4),
    scale=8.0,
    own_CD=unit(3, 8, 5),
    radius_C=torch.ones(3, dtype=torch.float64),
)


def loss_of(name: str, batch: Batch) -> Tensor:
    return LOSSES[name].loss(batch, UPDATE if name in OF_UPDATES else STUDENT)


def taken(batch: Batch, rows: Tensor) -> Batch:
    """The same step with its images in another order."""
    names = ("query_BD", "teacher_BD", "labels_B", "images_B")
    return replace(batch, **{name: getattr(batch, name)[rows] for name in names})


def test_every_term_has_its_weight_in_the_settings() -> None:
    assert tuple(LOSSES) == (*TERMS, PREFIXES, *OF_UPDATES)
    assert all(hasattr(UpdateConfig(), name) for name in UPDATE_TERMS)
    assert StudentConfig().active_terms() == {"anchor": 5.0, "context": 4.0}


@pytest.mark.parametrize("name", LOSSES)
def test_every_term_gives_a_finite_scalar_and_the_query_a_gradient(name: str) -> None:
    query = BATCH.query_BD.clone().requires_grad_()
    loss = loss_of(name, replace(BATCH, query_BD=query))
    assert loss.shape == ()
    assert loss.isfinite()
    (gradient,) = torch.autograd.grad(loss, query)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_the_order_of_the_batch_changes_nothing(name: str) -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert loss_of(name, taken(BATCH, order)).item() == pytest.approx(loss_of(name, BATCH).item(), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_term_is_anchored_when_turning_all_queries_changes_it(name: str) -> None:
    turn = torch.linalg.qr(unit(8, 8, seed=9)).Q
    turned = replace(BATCH, query_BD=BATCH.query_BD @ turn)
    change = loss_of(name, turned) - loss_of(name, BATCH)
    assert (abs(change.item()) > 1e-4) == LOSSES[name].anchored


def moved_by(name: str, change: Batch) -> bool:
    return not torch.equal(loss_of(name, change), loss_of(name, BATCH))


@pytest.mark.parametrize("name", LOSSES)
def test_a_term_uses_what_it_says_it_needs_and_no_more(name: str) -> None:
    term = LOSSES[name]
    other_labels = replace(BATCH, labels_B=torch.tensor([2, 0, 1, 1, 5, -1]))
    assert moved_by(name, other_labels) == term.needs_labels
    assert moved_by(name, replace(BATCH, keys_SD=unit(20, 8, 7))) == term.needs_queue
    assert moved_by(name, replace(BATCH, teacher_BD=unit(6, 8, 7))) == (term.teacher != "prototypes")
    assert moved_by(name, replace(BATCH, prototypes_CD=unit(3, 8, 7))) == (term.teacher != "vectors")
    assert moved_by(name, replace(BATCH, weights_B=torch.tensor([2, 0.5, 0.5, 2, 0.5, 0.5]))) == (
        name in ("anchor", "context")
    )


@pytest.mark.parametrize("name", ["context", "csd", "rank_difference", "contrastive"])
def test_keys_of_the_same_image_are_hidden_from_a_term(name: str) -> None:
    """P6: image 5 is in the batch and in the queue."""
    (column,) = (BATCH.key_images_S == 5).nonzero().flatten().tolist()
    batch = taken(replace(BATCH, labels_B=torch.tensor([0, 1, 2, 0, 5, 1])), torch.tensor([5]))
    moved = batch.keys_SD.clone()
    moved[column] = BATCH.query_BD[5]
    losses, gradients = [], []
    for keys in (batch.keys_SD, moved):
        query = batch.query_BD.clone().requires_grad_()
        loss = loss_of(name, replace(batch, query_BD=query, keys_SD=keys))
        losses.append(loss.detach())
        gradients += torch.autograd.grad(loss, query)
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-12)


def test_the_table_says_of_each_term_what_it_needs() -> None:
    result = CliRunner().invoke(main, ["losses"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["term", "anchored", "labels", "teacher", "gives", "student", "update", "paper"]
    assert [line.split()[0] for line in lines[1:-1]] == list(LOSSES)
    assert lines[1].split(maxsplit=6) == ["anchor", "yes", "no", "vectors", "5", "10", LOSSES["anchor"].paper]
    assert lines[3].split()[:6] == ["influence", "yes", "yes", "prototypes", "0", "3"]
    assert lines[10].split()[:6] == ["relational", "no", "no", "vectors", "0", "–"]
    assert lines[-2].split()[:6] == ["lce", "yes", "yes", "prototypes", "–", "1"]
    assert lines[-1].startswith("next: hetvs train-student")


def test_the_json_table_says_the_same() -> None:
    rows = json.loads(CliRunner().invoke(main, ["losses", "--json"]).stdout)
    assert [row["name"] for row in rows] == list(LOSSES)
    assert rows[2] == {
        "name": "influence",
        "anchored": True,
        "needs_labels": True,
        "teacher": "prototypes",
        "default_weight": {"train-student": 0.0, "train-update": 3.0},
        "paper": "BCT, arXiv 2003.11942, second term",
    }
