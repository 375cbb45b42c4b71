"""Views as files: a teacher elsewhere is asked about the very pictures that a student of its run would see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.config import StudentConfig, ViewsConfig
from hetvs.encoders import batches, embed, open_encoder
from hetvs.errors import ConfigError, ManifestError
from hetvs.manifest import Manifest, read_manifest
from hetvs.manifest_check import faults
from hetvs.training.images import ImageStore
from hetvs.training.student import train_student, views_of
from hetvs.training.written_views import write_views

VIEWS = 2


@pytest.fixture(scope="module")
def size_px(shapes_cloud: Path) -> int:
    return open_encoder(shapes_cloud, threads=1).card.preprocess.size_px


@pytest.fixture(scope="module")
def written(shapes_folder: Path, size_px: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views") / "views"
    config = ViewsConfig(views=VIEWS, size=size_px, source_size=32)
    assert write_views(shapes_folder, folder, config) == VIEWS * len(read_manifest(shapes_folder).rows("train"))
    return folder


@pytest.fixture(scope="module")
def vectors(written: Path, shapes_cloud: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, manifest = tmp_path_factory.mktemp("vectors") / "views", read_manifest(written)
    embed(open_encoder(shapes_cloud, threads=1), manifest, batches(manifest.rows(), 16)).save(folder)
    return folder


def test_a_student_of_written_views_sees_what_one_of_the_run_sees(
    shapes: Manifest, shapes_cloud: Path, written: Path, vectors: Path, tiny_student: StudentConfig, tmp_path: Path,
    size_px: int,
) -> None:  # fmt: skip
    """Pixels and vectors of every view are the very same, whatever their order."""
    config = replace(tiny_student, views=VIEWS, img_size=16, source_size=32)
    teacher = open_encoder(shapes_cloud, threads=1)
    cached = views_of(tmp_path, teacher, ImageStore(shapes, shapes.rows("train"), 32), config)
    table = read_manifest(written)
    store = ImageStore(table, table.rows("train"), size_px)
    given = views_of(tmp_path, EmbeddingSet.load(vectors), store, replace(config, whole=True))
    place = {image_id: number for number, image_id in enumerate(table.ids[store.rows].tolist())}
    images = np.arange(len(shapes.rows("train")))
    for epoch in range(VIEWS):
        named = [f"{shapes.ids[row]}#{(n + epoch) % VIEWS}" for n, row in enumerate(shapes.rows("train"))]
        (pixels, told), (again, known) = (
            cached.batch(images, epoch), given.batch(np.array([place[name] for name in named]), epoch),
        )  # fmt: skip
        assert pixels.equal(again)
        np.testing.assert_allclose(known.numpy(), told.numpy(), atol=1e-6)


def test_the_views_are_a_table_without_faults_that_keeps_its_columns(shapes: Manifest, written: Path) -> None:
    table = read_manifest(written)
    assert faults(written) == []
    assert len(table.rows("val")) == len(shapes.rows("val"))
    assert not len(table.rows("test"))
    first = shapes.rows("train")[0]
    (row,) = np.flatnonzero(table.ids == f"{shapes.ids[first]}#1")
    assert (table.labels[row], table.domains[row]) == (shapes.labels[first], shapes.domains[first])


def test_a_box_is_applied_to_a_view_and_kept_for_a_whole_image(tmp_path: Path) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :20] = (255, 0, 0)
    for split in ("train", "val"):
        Image.fromarray(picture).save(tmp_path / f"{split}.png")
    lines = ["path,label,split,x_1,y_1,x_2,y_2", "train.png,a,train,0,0,20,20", "val.png,b,val,0,0,20,20"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    write_views(tmp_path, tmp_path / "views", ViewsConfig(views=1, size=8, source_size=8))
    table = read_manifest(tmp_path / "views")
    assert table.ids.tolist() == ["train.png#0", "val.png"]
    assert table.box(0) is None
    assert table.box(1) == (0, 0, 20, 20)
    with Image.open(table.paths[1]) as copied:
        assert copied.size == (40, 20)


def test_the_commands_lead_from_images_to_a_student(
    shapes_folder: Path, shapes_cloud: Path, tiny_student: StudentConfig, tmp_path: Path, size_px: int
) -> None:
    def run(*words: object) -> str:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.stdout

    views, vectors = tmp_path / "views", tmp_path / "vectors"
    said = run("data", "views", shapes_folder, "-o", views, "--size", size_px, "--views", VIEWS)
    assert f"hetvs embed {views}" in said
    run("embed", views, "--model", shapes_cloud, "-o", vectors)
    config = replace(tiny_student, epochs=1, whole=True, source_size=size_px)
    card = train_student(read_manifest(views), vectors, tmp_path / "edge", config)
    assert card.space == EmbeddingSet.load(vectors).space
    assert "val/cosine" in card.validation


def test_nothing_to_write_is_said(shapes_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no row has label='none'"):
        write_views(shapes_folder, tmp_path / "a", ViewsConfig(rows="label=none"))
    with pytest.raises(ManifestError, match="no train image"):
        write_views(shapes_folder, tmp_path / "b", ViewsConfig(rows="split=test"))
    with pytest.raises(ConfigError, match="views must be >= 1, got 0"):
        ViewsConfig(views=0)
