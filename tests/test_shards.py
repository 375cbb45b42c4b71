"""Images in tars are those of loose files: the same pixels, ids, digests and batches."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from hetvs.cli import main
from hetvs.config import ShardConfig, StudentConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ArtifactError, ManifestError
from hetvs.files import digest_file
from hetvs.manifest import Manifest, read_manifest
from hetvs.manifest_check import faults
from hetvs.manifest_shards import write_shards
from hetvs.manifest_table import read_table
from hetvs.preprocess import open_rgba
from hetvs.shards import image_bytes, image_digest, open_image
from hetvs.training.augment import Augment
from hetvs.training.images import ImageStore
from hetvs.training.student import train_student
from hetvs.training.teacher_views import Crops, LiveViews

WriteTable = Callable[..., Path]


@pytest.fixture(scope="session")
def sharded(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "shapes"
    assert write_shards(shapes_folder, folder, ShardConfig(images=20)) == 3  # 48 images
    return folder


def test_a_sharded_manifest_is_the_loose_one(shapes: Manifest, sharded: Path) -> None:
    found = read_manifest(sharded)
    for name in ("ids", "labels", "domains", "splits", "is_query", "is_gallery"):
        assert np.array_equal(getattr(found, name), getattr(shapes, name)), name
    assert [image_digest(path) for path in found.paths] == [digest_file(path) for path in shapes.paths]
    assert [image_bytes(path) for path in found.paths] == [path.stat().st_size for path in shapes.paths]
    assert open_rgba(found.paths[47]).tobytes() == open_rgba(shapes.paths[47]).tobytes()
    assert sorted(path.name for path in sharded.glob("*.tar")) == [f"images-00000{n}.tar" for n in range(3)]


@pytest.mark.parametrize("kept", [True, False])
def test_shards_and_loose_files_give_the_same_batches(
    shapes: Manifest, sharded: Path, shapes_cloud: Path, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hetvs.training.images.MEMORY_BUDGET_BYTES", (1 << 30) * kept)
    teacher, images = open_encoder(shapes_cloud, threads=1), np.array([20, 3, 11])
    stores = [ImageStore(m, m.rows("train"), 24) for m in (shapes, read_manifest(sharded))]
    assert stores[0].digest() == stores[1].digest()  # so that they share a cache of views
    loose, tars = (LiveViews(Crops(store, Augment(), 5), teacher, 16, mixup=False).batch(images, 2) for store in stores)
    assert torch.equal(loose[0], tars[0])
    assert torch.equal(loose[1], tars[1])


def test_a_student_of_shards_is_that_of_loose_files(
    shapes: Manifest, sharded: Path, shapes_cloud: Path, tmp_path: Path, tiny_student: StudentConfig
) -> None:
    for name, manifest in (("loose", shapes), ("tars", read_manifest(sharded))):
        train_student(manifest, shapes_cloud, tmp_path / name, tiny_student)
    assert digest_file(tmp_path / "loose/model.safetensors") == digest_file(tmp_path / "tars/model.safetensors")


def test_an_image_of_two_rows_is_kept_once_and_columns_stay(tmp_path: Path, write_table: WriteTable) -> None:
    header = ["path", "label", "split", "x_1", "y_1", "x_2", "y_2", "brush"]
    boxes = (["a.png", "x", "test", 0, 0, 4, 4, "thin"], ["a.png", "y", "test", 4, 4, 8, 8, "wide"])
    table = write_table(tmp_path, ["id", *header], *([str(n), *row] for n, row in enumerate(boxes)))
    (tmp_path / "dataset.json").write_text('{"closed_set": true}')
    write_shards(table, tmp_path / "shards", ShardConfig())
    found = read_manifest(tmp_path / "shards")
    assert found.paths[0] == found.paths[1]
    assert found.box(1) == (4, 4, 8, 8)
    assert found.extra["brush"].tolist() == ["thin", "wide"]
    assert read_table(tmp_path / "shards").is_closed_set()
    with tarfile.open(tmp_path / "shards" / "images-000000.tar") as tar:
        assert tar.getnames() == ["000000000.png", "000000000.json"]  # one sample, as WebDataset pairs them
        facts = json.load(tar.extractfile("000000000.json") or io.BytesIO())
    assert [row["label"] for row in facts] == ["x", "y"]


def test_the_same_images_are_the_same_tar_out_of_whatever_they_come(letters: Path, tmp_path: Path) -> None:
    write_shards(letters, tmp_path / "a", ShardConfig())
    write_shards(letters, tmp_path / "b", ShardConfig())
    first, second = (digest_file(tmp_path / name / "images-000000.tar") for name in ("a", "b"))
    assert first == second
    write_shards(tmp_path / "a", tmp_path / "c", ShardConfig())  # out of one tar into another
    again = read_manifest(tmp_path / "c")
    assert again.ids.tolist() == read_manifest(letters).ids.tolist()
    assert [image_digest(path) for path in again.paths] == [image_digest(p) for p in read_manifest(letters).paths]


def test_class_folders_keep_their_classes_splits_and_ids(shapes: Manifest, tmp_path: Path) -> None:
    for name, source in zip(("cat", "chair", "cup"), shapes.paths, strict=False):
        (tmp_path / "loose" / name).mkdir(parents=True)
        (tmp_path / "loose" / name / "1.png").write_bytes(source.read_bytes())
    write_shards(tmp_path / "loose", tmp_path / "tars", ShardConfig())
    loose, tars = read_manifest(tmp_path / "loose"), read_manifest(tmp_path / "tars")
    assert tars.ids.tolist() == loose.ids.tolist() == ["cat/1.png", "chair/1.png", "cup/1.png"]
    assert tars.splits.tolist() == loose.splits.tolist() == ["test", "train", "train"]


def test_a_tar_of_another_making_is_read_without_an_index(sharded: Path, tmp_path: Path) -> None:
    tar = tmp_path / "images-000000.tar"
    tar.write_bytes((sharded / "images-000000.tar").read_bytes())
    with open_image(tar / "000000003.png") as found, open_image(sharded / "images-000000.tar/000000003.png") as known:
        assert found.read() == known.read()
    with pytest.raises(ManifestError, match=r"000000099\.png: image not found"):
        open_rgba(tar / "000000099.png")


def test_a_tar_of_a_folder_has_the_names_without_its_dot(letters: Path, tmp_path: Path) -> None:
    image = next(letters.rglob("*.png"))
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(image, f"./{image.name}")
    with open_image(tmp_path / "x.tar" / image.name) as found:
        assert found.read() == image.read_bytes()


def spoilt(sharded: Path, folder: Path, index: str) -> Path:
    tar = folder / "images-000000.tar"
    tar.write_bytes((sharded / "images-000000.tar").read_bytes())
    (folder / "images-000000.tar.json").write_text(index)
    return tar / "000000003.png"


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ('{"bytes": 7, "members": {}}', "is of a tar of 7 bytes, images-000000.tar has another size"),
        ('{"bytes": 7}', "not the index of a tar; delete it"),
        ('{"bytes": 7, "members": {"a": 3}}', "not the index of a tar; delete it"),
        ("[]", "not the index of a tar; delete it"),
        ("{", "not readable as JSON"),
    ],
)
def test_a_spoilt_index_is_one_line(sharded: Path, tmp_path: Path, index: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        open_image(spoilt(sharded, tmp_path, index))


def test_what_is_no_tar_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(ArtifactError, match=r"a\.tar: not a plain tar file"):
        open_image(tmp_path / "a.tar" / "b.png")


def test_a_check_finds_what_a_tar_lacks(sharded: Path, tmp_path: Path) -> None:
    assert faults(sharded) == []
    text = (sharded / "manifest.csv").read_text().replace("000000004.png", "000000777.png")
    (sharded / "renamed.csv").write_text(text)
    assert [fault.line for fault in faults(sharded / "renamed.csv")] == [6]


def test_command(shapes_folder: Path, tmp_path: Path) -> None:
    words = ["data", "shard", str(shapes_folder), "-o", str(tmp_path / "tars"), "--images", "30"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "2 tar(s) of at most 30 images" in result.stdout
    assert "48 images of 12 classes" in result.stdout
    assert result.stdout.splitlines()[-1] == f"next: hetvs train-teacher {tmp_path / 'tars'} -o runs/cloud"
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1
    assert "not empty; add --overwrite" in again.stderr
