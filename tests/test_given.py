"""What a student may be given to follow: vectors alone, without any weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.config import StudentConfig
from hetvs.encoders import batches, embed, open_encoder
from hetvs.errors import ArtifactError, ConfigError
from hetvs.manifest import Manifest
from hetvs.training.given import whole_vectors
from hetvs.training.images import ImageStore
from hetvs.training.student import train_student, views_of


@pytest.fixture(scope="module")
def vectors_folder(shapes: Manifest, shapes_cloud: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny teacher's vectors of every image, in another order than the manifest's; its weights stay behind."""
    folder = tmp_path_factory.mktemp("vectors") / "cloud"
    rows = np.random.default_rng(0).permutation(len(shapes))
    embed(open_encoder(shapes_cloud, threads=1), shapes, batches(rows, 16)).save(folder)
    return folder


def without(folder: Path, ids: set[str], output: Path) -> Path:
    """Write a copy of the vectors that lacks some ids."""
    known = EmbeddingSet.load(folder)
    kept = [row for row, image_id in enumerate(known.ids) if image_id not in ids]
    EmbeddingSet(known.vectors_ND[kept], tuple(known.ids[row] for row in kept), known.space, known.model_digest).save(
        output
    )
    return output


def test_a_student_of_vectors_joins_their_space_and_comes_as_near_as_one_of_the_run(
    shapes: Manifest, shapes_cloud: Path, vectors_folder: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    config = replace(tiny_student, epochs=20, influence=0.0, focal=1.0)
    cards = [
        train_student(shapes, teacher, tmp_path / teacher.parent.name, config)
        for teacher in (shapes_cloud, vectors_folder)
    ]
    assert cards[1].space == cards[0].space
    assert cards[1].training["teacher"] == "cloud"
    assert cards[1].validation["val/cosine"] > cards[0].validation["val/cosine"] - 0.1
    first = train_student(shapes, vectors_folder, tmp_path / "short", replace(config, epochs=1))
    assert cards[1].validation["val/cosine"] > first.validation["val/cosine"]


def test_stored_vectors_are_found_by_id_and_every_crop_is_fresh(
    shapes: Manifest, shapes_cloud: Path, vectors_folder: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    known, store = EmbeddingSet.load(vectors_folder), ImageStore(shapes, shapes.rows("train"), 24)
    asked = whole_vectors(open_encoder(shapes_cloud, threads=1), shapes, store.rows, "")
    np.testing.assert_allclose(whole_vectors(known, shapes, store.rows, ""), asked, atol=1e-6)
    views = views_of(tmp_path, known, store, tiny_student)
    images = np.array([3, 0])
    (first, vectors), (second, again) = views.batch(images, 0), views.batch(images, 1)
    np.testing.assert_allclose(vectors.numpy(), asked[images], atol=1e-6)
    assert vectors.equal(again)
    assert not first.equal(second)


@pytest.mark.parametrize("split", ["train", "val"])
def test_images_without_a_vector_are_refused_and_named(
    split: str, shapes: Manifest, vectors_folder: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    gone = shapes.ids[shapes.rows(split)][:2].tolist()
    fewer = without(vectors_folder, set(gone), tmp_path / "fewer")
    with pytest.raises(ArtifactError, match=f"has no vector of 2 of .* {split} images") as caught:
        train_student(shapes, fewer, tmp_path / "edge", tiny_student)
    assert all(image_id in str(caught.value) for image_id in gone)
    assert not (tmp_path / "edge").exists()


def test_a_long_list_of_unknown_ids_is_cut(
    shapes: Manifest, vectors_folder: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    train = shapes.ids[shapes.rows("train")].tolist()
    with pytest.raises(ArtifactError, match=r"24 of 24 train images .*, \.\.\.; embed them"):
        train_student(shapes, without(vectors_folder, set(train), tmp_path / "few"), tmp_path / "edge", tiny_student)


def test_mixed_images_have_no_stored_vector(
    shapes: Manifest, vectors_folder: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    config = replace(tiny_student, views=0, mixup=True, influence=0.0)
    with pytest.raises(ConfigError, match="stored vectors cannot answer"):
        train_student(shapes, vectors_folder, tmp_path / "edge", config)


def test_the_command_takes_vectors(shapes_folder: Path, vectors_folder: Path, tmp_path: Path) -> None:
    words = ["--backbone", "hetvs/edgenet", "--depth", "1", "--img-size", "16", "--source-size", "24", "--epochs", "1"]
    words += ["--amp", "off", "--threads", "1", "--queue", "16", "--teacher", str(vectors_folder)]
    result = CliRunner().invoke(main, ["train-student", str(shapes_folder), "-o", str(tmp_path / "edge"), *words])
    assert result.exit_code == 0, result.output
    assert EmbeddingSet.load(vectors_folder).space.space_id in result.stdout
