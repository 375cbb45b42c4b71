"""Public benchmarks in their own layouts: small folders in each, whole ones and broken ones."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hetvs.cli import main
from hetvs.config import ImportConfig
from hetvs.datasets.layouts.importer import import_layout, split_of_row
from hetvs.datasets.layouts.registry import LAYOUTS
from hetvs.datasets.layouts.row import LayoutRow
from hetvs.errors import ConfigError, ManifestError
from hetvs.manifest import Manifest, read_manifest
from hetvs.manifest_check import faults


def picture(path: Path) -> None:
    """Write a picture of its own noise, 20 x 16 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(zlib.crc32(f"{path.parent.name}/{path.name}".encode()))
    Image.fromarray(random.integers(0, 256, (16, 20, 3), dtype=np.uint8)).save(path)


def make_sop(folder: Path) -> None:
    for name, classes in (("Ebay_train.txt", range(1, 13)), ("Ebay_test.txt", range(13, 16))):
        lines = ["image_id class_id super_class_id path"]
        for label in classes:
            for view in range(2):
                lines.append(f"{len(lines)} {label} 1 bicycle_final/{label}_{view}.JPG")
                picture(folder / "bicycle_final" / f"{label}_{view}.JPG")
        (folder / name).write_text("\n".join(lines) + "\n")


def make_cub(folder: Path) -> None:
    images, labels, boxes = [], [], []
    for number, label in enumerate((1, 1, 2, 2, 3, 99, 100, 101, 101, 200, 200), start=1):
        path = f"{label:03}.Bird/Bird_{number:04}.jpg"
        picture(folder / "images" / path)
        images.append(f"{number} {path}")
        labels.append(f"{number} {label}")
        boxes.append(f"{number} 2.0 1.0 10.0 8.0")
    for name, lines in (("images", images), ("image_class_labels", labels), ("bounding_boxes", boxes)):
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def make_inshop(folder: Path) -> None:
    lines = []
    for item in range(1, 9):
        for view, status in enumerate(("train", "train") if item < 7 else ("query", "gallery")):
            name = f"img/WOMEN/Tees_Tanks/id_{item:08}/0{view}_1_front.jpg"
            picture(folder / "Img" / name)
            lines.append(f"{name}    id_{item:08} {status}")
    (folder / "Eval").mkdir()
    header = [str(len(lines)), "image_name item_id evaluation_status"]
    (folder / "Eval" / "list_eval_partition.txt").write_text("\n".join(header + lines) + "\n")


def item(style: int, **changed: object) -> dict[str, Any]:
    return {"style": style, "bounding_box": [1, 2, 11, 12], "category_id": 1, "occlusion": 2, **changed}


def make_deepfashion2(folder: Path) -> None:
    for part, pairs in (("train", range(1, 7)), ("validation", range(7, 9))):
        for pair in pairs:
            for place, source in enumerate(("user", "shop")):
                stem = f"{pair * 2 + place:06}"
                picture(folder / part / "image" / f"{stem}.jpg")
                notes = {"source": source, "pair_id": pair, "item1": item(1), "item2": item(0), "item3": item(2)}
                (folder / part / "annos").mkdir(parents=True, exist_ok=True)
                (folder / part / "annos" / f"{stem}.json").write_text(json.dumps(notes))


def make_templates(folder: Path) -> None:
    header = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT"
    enrolled = ["1,10,img/1.png,5,2,2,8,8", "1,10,img/2.png,6,2,2,8,8", "2,11,img/3.png,7,2,2,8,8"]
    asking = ["3,10,img/4.png,8,-1,2,8,8", "3,10,img/2.png,6,2,2,8,8", "4,12,img/4.png,9,10,2,8,8"]
    for name, lines in (("x_1N_gallery_G1.csv", enrolled), ("x_1N_probe_mixed.csv", asking)):
        (folder / "protocols").mkdir(parents=True, exist_ok=True)
        (folder / "protocols" / name).write_text("\n".join([header, *lines]) + "\n")
    for number in range(1, 5):
        picture(folder / "images" / "img" / f"{number}.png")


MAKE: dict[str, Callable[[Path], None]] = {
    "sop": make_sop,
    "cub": make_cub,
    "inshop": make_inshop,
    "deepfashion2": make_deepfashion2,
    "templates": make_templates,
}


def made(layout: str, folder: Path) -> Path:
    folder.mkdir()
    MAKE[layout](folder)
    return folder


def imported(layout: str, folder: Path, **settings: Any) -> Manifest:
    output = folder.parent / "manifest"
    import_layout(layout, folder, output, ImportConfig(**settings), overwrite=True)
    return read_manifest(output)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_a_sound_manifest_through_the_command(layout: str, tmp_path: Path) -> None:
    folder, output = made(layout, tmp_path / "raw"), tmp_path / "data"
    result = CliRunner().invoke(main, ["data", "import", layout, str(folder), "-o", str(output)])
    assert result.exit_code == 0, result.output
    after = f"data check {output}" if layout == "templates" else f"train-teacher {output} -o runs/cloud"
    assert result.stdout.splitlines()[-1] == f"next: hetvs {after}"
    assert faults(output) == []
    manifest = read_manifest(output)
    assert manifest.is_query[manifest.rows("test")].any()
    assert not (manifest.is_query | manifest.is_gallery)[manifest.rows("train")].any()
    assert not any(str(tmp_path) in image_id for image_id in manifest.ids)


def test_online_products_all_ask_all(tmp_path: Path) -> None:
    manifest = imported("sop", made("sop", tmp_path / "raw"), val=50)
    test = manifest.rows("test")
    assert sorted(set(manifest.labels[test].tolist())) == ["13", "14", "15"]
    assert manifest.is_query[test].all()
    assert manifest.is_gallery[test].all()
    assert len(manifest.rows("val"))
    assert set(manifest.column("super_class").tolist()) == {"1"}
    assert manifest.ids[0] == "bicycle_final/1_0.JPG"


def test_birds_are_split_at_class_100_and_cut_to_boxes_only_when_asked(tmp_path: Path) -> None:
    folder = made("cub", tmp_path / "raw")
    manifest = imported("cub", folder, val=0)
    assert set(manifest.labels[manifest.rows("test")].tolist()) == {"101", "200"}
    assert "100" in manifest.labels[manifest.rows("train")]
    assert not len(manifest.rows("val"))
    assert manifest.box(0) is None
    assert imported("cub", folder, boxes=True).box(0) == (2, 1, 12, 9)


def test_in_shop_keeps_query_and_gallery_apart(tmp_path: Path) -> None:
    manifest = imported("inshop", made("inshop", tmp_path / "raw"), val=50)
    test, val = manifest.rows("test"), manifest.rows("val")
    assert manifest.is_query[test].tolist() == [True, False, True, False]
    assert manifest.is_gallery[test].tolist() == [False, True, False, True]
    assert len(val)
    assert manifest.is_query[val].all()
    assert manifest.is_gallery[val].all()


def test_users_ask_shops_and_style_0_is_left_out(tmp_path: Path) -> None:
    manifest = imported("deepfashion2", made("deepfashion2", tmp_path / "raw"), val=40)
    assert manifest.is_query[manifest.rows("", "domain=user,split!=train")].all()
    assert manifest.is_gallery[manifest.rows("", "domain=shop,split!=train")].all()
    assert not (manifest.is_query & manifest.is_gallery).any()
    assert set(manifest.labels[manifest.rows("test")].tolist()) == {"7-1", "7-2", "8-1", "8-2"}
    assert manifest.box(0) == (1, 2, 11, 12)
    assert not any("item2" in image_id for image_id in manifest.ids)
    pairs = [{label.partition("-")[0] for label in manifest.labels[manifest.rows(s)]} for s in ("train", "val")]
    assert all(pairs)
    assert not pairs[0] & pairs[1]


def test_a_face_of_two_templates_is_one_row_with_both_roles(tmp_path: Path) -> None:
    manifest = imported("templates", made("templates", tmp_path / "raw"))
    row = manifest.column("template").tolist().index("1+3")
    assert manifest.is_query[row]
    assert manifest.is_gallery[row]
    assert len(manifest) == 5
    assert manifest.box(manifest.ids.tolist().index("img/4.png#-1,2,8,8")) == (0, 2, 7, 10)
    assert manifest.labels[manifest.is_query].tolist() == ["10", "10", "12"]  # nobody in the gallery is 12


def test_relative_paths_move_with_the_pictures(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    imported("sop", made("sop", tmp_path / "home" / "raw"), relative=True)
    (tmp_path / "home").rename(tmp_path / "moved")
    assert faults(tmp_path / "moved" / "manifest") == []


def change(file: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return spoil


def remove(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


PARTITION = "Eval/list_eval_partition.txt"
NOTES = "train/annos/000002.json"
GALLERY, PROBE = "protocols/x_1N_gallery_G1.csv", "protocols/x_1N_probe_mixed.csv"
BROKEN: list[tuple[str, Callable[[Path], None], str]] = [
    ("sop", remove("Ebay_test.txt"), "Ebay_test.txt: not found; give the folder that holds"),
    ("sop", change("Ebay_train.txt", "image_id class_id", "class_id"), "Ebay_train.txt:1: the header is"),
    ("sop", change("Ebay_train.txt", "2 1 1 bicycle", "2 1 bicycle"), "Ebay_train.txt:3: 3 cells, expected 4"),
    ("sop", change("Ebay_test.txt", "1 13 1", "1 x 1"), "Ebay_test.txt:2: class_id 'x' is not a whole number"),
    ("sop", change("Ebay_test.txt", "1 13 1", "1 12 1"), "Ebay_test.txt:2: class 12 is judged, and trained on at"),
    ("sop", change("Ebay_test.txt", "13_1", "13_0"), "Ebay_test.txt:3: bicycle_final/13_0.JPG is listed at"),
    ("sop", remove("bicycle_final/1_0.JPG"), "1_0.JPG: image not found; unpack the pictures"),
    ("cub", remove("image_class_labels.txt"), "image_class_labels.txt: not found"),
    ("cub", change("image_class_labels.txt", "5 3\n", ""), "image_class_labels.txt: has no line for image 5 ("),
    ("cub", change("image_class_labels.txt", "11 200", "11 201"), "labels.txt:11: class 201 is not in 1..200"),
    ("cub", change("images.txt", "2 001", "1 001"), "images.txt:2: image 1 is also in line 1"),
    ("inshop", remove(PARTITION), "list_eval_partition.txt: not found"),
    ("inshop", change(PARTITION, "query", "qery"), "evaluation_status 'qery' is unknown; did you mean 'query'?"),
    ("inshop", change(PARTITION, "16\n", "17\n"), "list_eval_partition.txt:1: says '17' images, 16 are listed"),
    ("deepfashion2", remove("train/image/000002.jpg"), "000002.json: item1: "),
    ("deepfashion2", change(NOTES, '"pair_id": 1, ', ""), "000002.json: has no pair_id"),
    ("deepfashion2", change(NOTES, '"style": 1', '"style": "1"'), "item1: style is '1', expected int"),
    ("deepfashion2", change(NOTES, "user", "street"), "source 'street' is neither user nor shop"),
    ("deepfashion2", change(NOTES, "[1, 2, 11, 12]", "[1, 2, 11]"), "item1: bounding_box [1, 2, 11] is not four"),
    ("deepfashion2", change(NOTES, "[1, 2, 11, 12]", "[1, 2, 1, 12]"), "item1: box '1 2 0 10' holds no pixel"),
    ("deepfashion2", change(NOTES, "{", "["), "000002.json: not readable as JSON"),
    ("templates", remove(PROBE), "no *probe*.csv in it, its protocol or its protocols"),
    ("templates", change(GALLERY, "FACE_X", "X"), "gallery_G1.csv:1: column FACE_X is missing"),
    ("templates", change(GALLERY, "1,10,img/2", "10,img/2"), "gallery_G1.csv:3: 7 cells under 8 columns"),
    ("templates", change(GALLERY, "5,2,2,8,8", "5,2,2,8,wide"), "gallery_G1.csv:2: box '2 2 8 wide' is not x y"),
    ("templates", change(PROBE, "3,10,img/2", "3,11,img/2"), "is of subject 11, in "),
]


@pytest.mark.parametrize(("layout", "spoil", "said"), BROKEN, ids=[f"{b[0]}: {b[2]}" for b in BROKEN])
def test_a_broken_layout_gets_one_line_that_says_what_is_missing_where(
    layout: str, spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    folder = made(layout, tmp_path / "raw")
    spoil(folder)
    with pytest.raises(ManifestError) as caught:
        import_layout(layout, folder, tmp_path / "data", ImportConfig())
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_lists_without_one_part_are_refused(tmp_path: Path) -> None:
    folder = made("inshop", tmp_path / "raw")
    path = folder / PARTITION
    path.write_text(path.read_text().replace(" query", " gallery"))
    with pytest.raises(ManifestError, match="lists no image to ask with; unpack all of its parts"):
        imported("inshop", folder)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", "import", *map(str, arguments)])


def test_what_cannot_be_chosen_is_refused(tmp_path: Path) -> None:
    folder = made("sop", tmp_path / "raw")
    assert "did you mean 'sop'?" in run("sopp", folder, "-o", tmp_path / "d").stderr
    assert "--boxes is for cub; sop has no boxes" in run("sop", folder, "-o", tmp_path / "d", "--boxes").stderr
    assert "not a folder" in run("sop", tmp_path / "none", "-o", tmp_path / "d").stderr
    with pytest.raises(ConfigError, match="val must be"):
        ImportConfig(val=60)


@given(st.lists(st.text(min_size=1), min_size=1, unique=True), st.integers(0, 50))
def test_val_only_grows_with_its_share_and_no_class_moves_another(labels: list[str], percent: int) -> None:
    def val(share: int) -> set[str]:
        rows = [LayoutRow(origin="", id=label, image=Path(label), label=label, judged=False) for label in labels]
        return {row.label for row in rows if split_of_row(row, "sop", share) == "val"}

    assert val(0) == set()
    assert val(percent) <= val(50)
