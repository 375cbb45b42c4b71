"""train-update, on drawings small enough for seconds: every method, every route, what is left of the old model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.config import UPDATE_METHODS, TeacherConfig, UpdateConfig
from hetvs.encoders import batches, embed, open_encoder
from hetvs.errors import ArtifactError, ConfigError
from hetvs.files import digest_file
from hetvs.manifest import Manifest
from hetvs.models.block import old_block
from hetvs.models.storage import load_prototypes, load_run
from hetvs.training.teacher import train_teacher
from hetvs.training.update import train_update
from hetvs.training.update_stage import UpdateStage

TINY = UpdateConfig(
    backbone="hetvs/edgenet", depth=1, img_size=24, source_size=24, epochs=2, batch_size=16, queue=16, amp="off",
    threads=1,
)  # fmt: skip
OLD_FILES = ("model.safetensors", "prototypes.safetensors", "card.json")


@pytest.fixture(scope="module")
def old_run(shapes: Manifest, tiny_teacher: TeacherConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An old model that never saw shape0: five of the six train classes."""
    folder = tmp_path_factory.mktemp("old") / "v1"
    train_teacher(shapes, folder, replace(tiny_teacher, rows="label!=shape0"))
    return folder


@pytest.fixture(scope="module")
def old_vectors(shapes: Manifest, old_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that is left of another old model: its vectors of every image."""
    folder = tmp_path_factory.mktemp("old") / "vectors"
    embed(open_encoder(old_run, threads=1), shapes, batches(shapes.rows(), 64)).save(folder)
    return folder


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", UPDATE_METHODS)
def test_every_method_joins_the_old_space_and_leaves_the_old_model_alone(
    shapes: Manifest, old_run: Path, tmp_path: Path, method: str
) -> None:
    before = {name: digest_file(old_run / name) for name in OLD_FILES}
    card = train_update(shapes, old_run, tmp_path / "v2", replace(TINY, method=method))
    assert {name: digest_file(old_run / name) for name in OLD_FILES} == before
    assert card.space == load_run(old_run)[1].space
    assert (card.role, card.training["method"], card.training["old"]) == ("update", method, "v1")
    assert {"val/new,new/map", "val/new,old/map"} <= card.validation.keys()
    last = metrics(tmp_path / "v2")[-1]
    terms = {"default": {"influence", "anchor"}, "unibct": {"influence"}, "mixbct": set()}.get(method, {method})
    assert terms | {"margin_softmax"} <= last.keys()
    own = load_prototypes(tmp_path / "v2")
    assert own is not None
    assert own.labels == tuple(sorted({f"shape{n}" for n in (0, 1, 4, 5, 8, 9)}))


def test_strength_0_is_the_training_of_a_free_model_bit_for_bit(
    shapes: Manifest, old_run: Path, tmp_path: Path, tiny_teacher: TeacherConfig
) -> None:
    train_teacher(shapes, tmp_path / "free", tiny_teacher)
    for method in ("default", "lce", "mixbct"):
        train_update(shapes, old_run, tmp_path / method, replace(TINY, method=method, strength=0.0))
        (_, card), (_, free) = load_run(tmp_path / method), load_run(tmp_path / "free")
        assert card.weights_digest == free.weights_digest, method
        assert card.space == free.space, "nothing ties it to the old space"


def test_a_tied_model_of_the_same_backbone_starts_from_the_old_weights(
    shapes: Manifest, old_run: Path, old_vectors: Path, tmp_path: Path
) -> None:
    """Named as a start, the old run gives the same weights; where it cannot be one, nothing is started from."""
    once = replace(TINY, epochs=1)
    warm = train_update(shapes, old_run, tmp_path / "warm", once)
    named = train_update(shapes, old_run, tmp_path / "named", replace(once, warm=False, start=str(old_run)))
    assert warm.weights_digest == named.weights_digest
    assert warm.training["start"] == str(old_run)
    cold = train_update(shapes, old_run, tmp_path / "cold", replace(once, warm=False))
    assert cold.weights_digest != warm.weights_digest
    for name, old, changed in (("wider", old_run, {"width": 2.0}), ("vectors", old_vectors, {})):
        card = train_update(shapes, old, tmp_path / name, replace(once, **changed))
        assert card.training["start"] == "", name


def test_a_model_of_another_backbone_begins_near_the_vectors_that_it_follows(
    shapes: Manifest, old_run: Path, tmp_path: Path
) -> None:
    """One step of next to nothing shows where it began; a method of prototypes alone has no vectors to begin at."""
    still = replace(TINY, width=2.0, epochs=1, batch_size=24, lr=1e-9, ema=0.0)
    found = {}
    for warm in (True, False):
        train_update(shapes, old_run, tmp_path / f"anchor-{warm}", replace(still, method="anchor", warm=warm))
        found[warm] = metrics(tmp_path / f"anchor-{warm}")[0]["anchor"]
    assert found[True] < 0.5 * found[False]
    digests = [
        train_update(shapes, old_run, tmp_path / f"influence-{warm}", replace(still, method="influence", warm=warm))
        for warm in (True, False)
    ]
    assert digests[0].weights_digest == digests[1].weights_digest


@pytest.mark.parametrize("unseen", ["restrict", "soft"])
def test_a_route_for_unseen_classes(shapes: Manifest, old_run: Path, tmp_path: Path, unseen: str) -> None:
    card = train_update(shapes, old_run, tmp_path / "v2", replace(TINY, method="influence", unseen=unseen))
    name = "soft_influence" if unseen == "soft" else "influence"
    assert card.training["terms"] == {name: 3.0}
    assert metrics(tmp_path / "v2")[-1][name] > 0


@pytest.mark.parametrize("dim", [12, 20])
def test_another_dimension_gives_an_old_block_and_a_space_of_its_own(
    shapes: Manifest, old_run: Path, tmp_path: Path, dim: int
) -> None:
    train_update(shapes, old_run, tmp_path / "v2", replace(TINY, dim=dim, method="influence"))
    (block, card), (own, own_card) = load_run(tmp_path / "v2"), load_run(tmp_path / "v2" / "own")
    assert card.space == load_run(old_run)[1].space
    assert (card.dim, own_card.dim) == (16, dim)
    assert own_card.space.space_id != card.space.space_id
    assert load_prototypes(tmp_path / "v2") is None
    assert load_prototypes(tmp_path / "v2" / "own") is not None
    pixels = torch.randint(0, 256, (3, 3, 24, 24), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(block(pixels), old_block(own(pixels), 16), atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", ["default", "lce", "mixbct"])
def test_vectors_are_enough_of_an_old_model(shapes: Manifest, old_vectors: Path, tmp_path: Path, method: str) -> None:
    card = train_update(shapes, old_vectors, tmp_path / "v2", replace(TINY, method=method))
    assert card.space == EmbeddingSet.load(old_vectors).space
    assert "val/new,old/map" in card.validation


def test_vectors_of_some_images_serve_the_methods_that_need_prototypes_alone(
    shapes: Manifest, old_run: Path, tmp_path: Path
) -> None:
    rows = shapes.rows("train", "label!=shape0")
    embed(open_encoder(old_run, threads=1), shapes, batches(rows, 64)).save(tmp_path / "some")
    for method in ("influence", "unibct"):
        card = train_update(shapes, tmp_path / "some", tmp_path / method, replace(TINY, method=method))
        assert "val/new,old/map" not in card.validation, "no val image has an old vector"
    with pytest.raises(ArtifactError, match="4 of 24 train images have no old vector, which anchor follows; embed"):
        train_update(shapes, tmp_path / "some", tmp_path / "anchor", replace(TINY, method="anchor"))
    embed(open_encoder(old_run, threads=1), shapes, batches(shapes.rows("test"), 64)).save(tmp_path / "test")
    with pytest.raises(ArtifactError, match="holds no vector of a train image"):
        train_update(shapes, tmp_path / "test", tmp_path / "none", replace(TINY, method="lce"))


def test_a_route_that_needs_the_old_classifier_says_so(shapes: Manifest, old_vectors: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no classifier, .* take --unseen synthesize instead of restrict"):
        train_update(shapes, old_vectors, tmp_path / "v2", replace(TINY, method="influence", unseen="restrict"))


def test_a_focal_weight_is_of_the_anchor(shapes: Manifest, old_run: Path, tmp_path: Path) -> None:
    card = train_update(shapes, old_run, tmp_path / "v2", replace(TINY, epochs=1, method="anchor", focal=5.0))
    assert card.training["focal"] == 5
    with pytest.raises(ConfigError, match="focal weighs the anchor, which lce does not have"):
        replace(TINY, method="lce", focal=5.0)


@pytest.mark.parametrize("method", ["unibct", pytest.param("ract", marks=pytest.mark.slow)])
def test_a_cut_update_resumes_to_the_same_weights(
    shapes: Manifest, old_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    config = replace(TINY, method=method, epochs=6, checkpoint_every=0.0)
    whole = train_update(shapes, old_run, tmp_path / "whole", config)
    terms, calls = UpdateStage.terms, []

    def fails_once(stage: UpdateStage, images: np.ndarray, epoch: int) -> dict[str, torch.Tensor]:
        calls.append(epoch)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return terms(stage, images, epoch)

    monkeypatch.setattr(UpdateStage, "terms", fails_once)
    with pytest.raises(KeyboardInterrupt):
        train_update(shapes, old_run, tmp_path / "cut", config)
    cut = train_update(shapes, old_run, tmp_path / "cut", config, resume=True)
    assert cut.weights_digest == whole.weights_digest


def test_the_command_says_its_method_and_what_comes_next(shapes_folder: Path, old_run: Path, tmp_path: Path) -> None:
    words = ["train-update", str(shapes_folder), "--old", str(old_run), "-o", str(tmp_path / "v2"), "--dim", "20"]
    typed = "--backbone hetvs/edgenet --depth 1 --img-size 24 --source-size 24 --epochs 1 -b 16 --amp off --threads 1"
    result = CliRunner().invoke(main, [*words, *typed.split()])
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("method default: own head 1, influence 3, anchor 10\n")
    assert f"{tmp_path / 'v2/own'}: the full vector, in a space of its own\n" in result.stdout
    assert result.stdout.endswith(
        f"next: hetvs evaluate {shapes_folder} --old {old_run} --query-model {tmp_path / 'v2'} -o report\n"
    )
