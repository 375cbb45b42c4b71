"""A run on disk: it comes back whole, or one line says what is wrong with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hetvs.artifacts import ModelCard
from hetvs.errors import ArtifactError
from hetvs.models.storage import (
    Prototypes,
    load_checkpoint,
    load_prototypes,
    load_run,
    save_run,
    weights_digest,
)


@pytest.fixture
def run_copy(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


def test_a_run_comes_back_with_the_same_vectors(run_folder: Path, tmp_path: Path) -> None:
    model, card = load_run(run_folder)
    pixels = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    save_run(tmp_path / "again", model, card)
    again, card_again = load_run(tmp_path / "again")
    assert card_again == card
    assert not again.training
    with torch.inference_mode():
        assert torch.equal(model(pixels), again(pixels))


def test_prototypes_come_back(run_copy: Path) -> None:
    assert load_prototypes(run_copy) is None
    model, card = load_run(run_copy)
    written = Prototypes(torch.eye(2, 16), ("é, 1", "b"), 24.0)
    save_run(run_copy, model, card, written)
    read = load_prototypes(run_copy)
    assert read is not None
    assert (read.labels, read.scale) == (written.labels, written.scale)
    assert torch.equal(read.rows_CD, written.rows_CD)


def flip_a_weight(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["projection.bias"][0] += 1e-3
    save_file(state, folder / "model.safetensors")


def drop_a_weight(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["projection.bias"]
    save_file(state, folder / "model.safetensors")


def cut_in_half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def rename_backbone(folder: Path) -> None:
    values = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**values, "backbone": "hetvs/resnet18", "backbone_options": {}}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (flip_a_weight, r"model\.safetensors: weights differ from the digest in card\.json; train the run again"),
        (drop_a_weight, r"model\.safetensors: corrupt or not of this backbone: .*projection\.bias"),
        (lambda f: cut_in_half(f / "model.safetensors"), r"model\.safetensors: corrupt or not of this backbone"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), r"model\.safetensors: corrupt"),
        (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors: not found; train the run again"),
        (lambda f: (f / "card.json").unlink(), r"holds no finished run \(no card\.json\)"),
        (lambda f: shutil.rmtree(f), r"holds no finished run"),
        (rename_backbone, r"model\.safetensors: corrupt or not of this backbone"),
    ],
)
def test_a_spoiled_run_is_one_line(spoil: Callable[[Path], object], said: str, run_copy: Path) -> None:
    spoil(run_copy)
    with pytest.raises(ArtifactError, match=said) as caught:
        load_run(run_copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_spoiled_prototypes_are_one_line(content: bytes, run_copy: Path) -> None:
    (run_copy / "prototypes.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"prototypes\.safetensors: corrupt"):
        load_prototypes(run_copy)


def test_prototypes_without_labels_are_refused(run_copy: Path) -> None:
    save_file({"rows": torch.eye(2)}, run_copy / "prototypes.safetensors")
    with pytest.raises(ArtifactError, match=r"prototypes\.safetensors: corrupt"):
        load_prototypes(run_copy)


def test_a_card_with_impossible_options_is_one_line(run_copy: Path) -> None:
    card = ModelCard.load(run_copy)
    replace(card, backbone_options={"colour": 3}).save(run_copy)
    with pytest.raises(ArtifactError, match=r"card\.json: .*colour"):
        load_run(run_copy)


def test_a_digest_covers_names_shapes_and_values() -> None:
    net = nn.Linear(2, 3)
    before = weights_digest(net)
    assert weights_digest(nn.Sequential(net)) != before  # other names
    net.weight.data[0, 0] += 1e-6
    assert weights_digest(net) != before


def test_a_checkpoint_never_runs_code(tmp_path: Path) -> None:
    torch.save({"hook": Callable}, tmp_path / "last.pt")  # anything that is not a tensor or a plain value
    with pytest.raises(ArtifactError, match=r"last\.pt: checkpoint is not readable; start again with --overwrite"):
        load_checkpoint(tmp_path / "last.pt")
    torch.save({"step": 3, "weights": torch.eye(2)}, tmp_path / "last.pt")
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 3
    cut_in_half(tmp_path / "last.pt")
    with pytest.raises(ArtifactError, match="checkpoint is not readable"):
        load_checkpoint(tmp_path / "last.pt")
