"""Shared across test files: drawn images, a run on them, and its exported bundle (one export per session)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw, ImageFont

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.config import StudentConfig, TeacherConfig
from hetvs.manifest import Manifest, read_manifest

pytest_plugins = ["tests.stale_gallery"]

# No deadline: a busy machine is no fault of the code. The same examples everywhere, so that a red run can be repeated.
settings.register_profile("house", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("house")


def draw_letter(letter: str, seed: int, size_px: int = 40) -> Image.Image:
    """Draw a coloured letter on a coloured ground, moved and scaled a little by `seed`."""
    random = np.random.default_rng(seed)
    ink, ground = (tuple(int(v) for v in random.integers(0, 256, 3)) for _ in range(2))
    image = Image.new("RGB", (size_px, size_px), ground)
    x, y = (int(v) for v in random.integers(2, size_px // 3, 2))
    ImageDraw.Draw(image).text((x, y), letter, fill=ink, font=ImageFont.load_default(size=int(random.integers(18, 28))))
    return image


def draw_shapes(folder: Path, classes: int = 12, domains: int = 4) -> Path:
    """Write `classes` drawings, each in `domains` hues, and their manifest: 2/3 train, the rest val and test."""
    (folder / "images").mkdir(parents=True)
    lines = ["path,label,domain,split"]
    for label in range(classes):
        split = ("train", "train", "val", "test")[label % 4]
        for domain in range(domains):
            rng = np.random.default_rng(label)
            image = Image.new("RGBA", (24, 24), (0, 0, 0, 0))
            pen = ImageDraw.Draw(image)
            for _ in range(4):
                x, y, w = (int(v) for v in rng.integers((0, 0, 4), (16, 16, 10)))
                ink = tuple(int(v) for v in (rng.integers(0, 180, 3) + domain * 20))
                pen.ellipse([x + domain, y, x + w + domain, y + w], fill=(*ink, 255))
            image.save(folder / "images" / f"{label}_{domain}.png")
            lines.append(f"images/{label}_{domain}.png,shape{label},pen{domain},{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve shapes in four hues: 6 train classes, 3 val, 3 test."""
    return draw_shapes(tmp_path_factory.mktemp("shapes") / "data")


@pytest.fixture(scope="session")
def shapes(shapes_folder: Path) -> Manifest:
    """The manifest of the shapes."""
    return read_manifest(shapes_folder)


@pytest.fixture(scope="session")
def tiny_teacher() -> TeacherConfig:
    """A teacher that trains in half a second."""
    return TeacherConfig(
        backbone="hetvs/edgenet",
        depth=1,
        img_size=24,
        source_size=24,
        epochs=2,
        batch_size=16,
        dim=16,
        amp="off",
        threads=1,
    )


@pytest.fixture(scope="session")
def tiny_student() -> StudentConfig:
    """A student that trains in half a second."""
    return StudentConfig(
        backbone="hetvs/edgenet",
        lr=3e-3,
        trunk_lr=1.0,
        clip=1.0,
        ridge="off",
        anchor=1.0,
        context=0.5,
        influence=0.2,
        width=0.5,
        depth=1,
        img_size=16,
        source_size=24,
        epochs=4,
        batch_size=16,
        views=2,
        queue=32,
        amp="off",
        threads=1,
    )


@pytest.fixture(scope="session")
def shapes_cloud(shapes: Manifest, tiny_teacher: TeacherConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny teacher on the shapes."""
    from hetvs.training.teacher import train_teacher

    output = tmp_path_factory.mktemp("runs") / "cloud"
    train_teacher(shapes, output, tiny_teacher)
    return output


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with manifest.csv: 8 letters x 4 drawings, half of them in the val split."""
    folder = tmp_path_factory.mktemp("letters")
    with (folder / "manifest.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "path", "label", "split"])
        for number, letter in enumerate("ABCDEFGH" * 4):
            draw_letter(letter, seed=number).save(folder / f"{number}.png")
            table.writerow([f"{letter}{number}", f"{number}.png", letter, "val" if letter < "E" else "train"])
    return folder


@pytest.fixture(scope="session")
def closed_letters(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Four letters, each in every split: 8 train, 2 val, 4 test drawings of each; the first two are half=first."""
    folder = tmp_path_factory.mktemp("closed")
    lines = ["id,path,label,split,half"]
    for number in range(56):
        letter, place = "DCBA"[number % 4], number // 4
        draw_letter(letter, seed=number).save(folder / f"{number}.png")
        split = "train" if place < 8 else "val" if place < 10 else "test"
        lines.append(f"{letter}{number},{number}.png,{letter},{split},{'first' if letter in 'BC' else 'second'}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    (folder / "dataset.json").write_text('{"closed_set": true}')
    return read_manifest(folder)


@pytest.fixture(scope="session")
def run_folder(letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small edgenet at 32 px: random weights, batch-norm statistics of real images."""
    import torch

    from hetvs.artifacts import ModelCard
    from hetvs.manifest import read_manifest
    from hetvs.models.backbones import build_backbone
    from hetvs.models.cost import macs_of, parameters_of
    from hetvs.models.embedder import Embedder
    from hetvs.models.storage import save_run, weights_digest
    from hetvs.preprocess import Preprocess

    torch.manual_seed(0)
    preprocess = Preprocess(size_px=32, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))  # ImageNet's
    backbone = build_backbone("hetvs/edgenet", {"width": 0.5, "depth": 1}, 32)
    embedder = Embedder(backbone.trunk, backbone.features, 16, preprocess)
    pixels = np.stack([preprocess.read(path) for path in read_manifest(letters).paths])
    with torch.no_grad():
        for _ in range(20):  # moves the running statistics to those of the images
            embedder(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    embedder.eval()
    digest = weights_digest(embedder)
    card = ModelCard(
        name="letters",
        role="teacher",
        backbone="hetvs/edgenet",
        backbone_options={"width": 0.5, "depth": 1},
        space=SpaceCard(teacher_digest=digest, preprocess_digest=preprocess.digest(), dim=16),
        preprocess=preprocess,
        weights_digest=digest,
        macs=macs_of(embedder, 32),
        parameters=parameters_of(embedder),
        training={"data": str(letters)},
    )
    folder = tmp_path_factory.mktemp("runs") / "cloud"
    save_run(folder, embedder, card)
    return folder


@pytest.fixture(scope="session")
def bundle_folder(run_folder: Path, letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported bundle of `run_folder`: read it, or copy it before changing anything."""
    from export.bundle import export_bundle
    from hetvs.config import ExportConfig
    from hetvs.manifest import read_manifest

    folder = tmp_path_factory.mktemp("bundles") / "cloud"
    export_bundle(run_folder, read_manifest(letters), folder, ExportConfig())
    return folder


@pytest.fixture
def write_table() -> Callable[..., Path]:
    """Write FOLDER/manifest.csv; every image that its path column names is drawn, each one differently."""

    def write(folder: Path, header: list[str], *rows: Sequence[object]) -> Path:
        path = folder / "manifest.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows])
        names = {str(row[header.index("path")]) for row in rows} if "path" in header else set()
        for seed, name in enumerate(sorted(names - {""})):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name)
        return path

    return write


@pytest.fixture
def make_manifest() -> Callable[..., Manifest]:
    """Build a manifest without files: one row per label, ids 0000, 0001, ... unless given."""

    def build(labels: Sequence[str], **columns: Sequence[object]) -> Manifest:
        n = len(labels)
        ids = np.array(columns.pop("ids", [f"{row:04d}" for row in range(n)]))
        return Manifest(
            source=Path("toy.csv"),
            ids=ids,
            paths=tuple(Path(f"{image_id}.png") for image_id in ids),
            labels=np.array(labels),
            domains=np.array(columns.pop("domains", [""] * n)),
            splits=np.array(columns.pop("splits", ["test"] * n)),
            is_query=np.array(columns.pop("is_query", [True] * n), dtype=bool),
            is_gallery=np.array(columns.pop("is_gallery", [True] * n), dtype=bool),
            boxes=np.full((n, 4), np.nan),
            extra={name: np.array(values) for name, values in columns.items()},
        )

    return build


@pytest.fixture
def make_vectors() -> Callable[..., EmbeddingSet]:
    """Make unit vectors around one random centre per label; `space` names the space, and its axes."""

    def build(manifest: Manifest, *, noise: float, seed: int, space: str = "cloud", dim: int = 16) -> EmbeddingSet:
        centres = np.random.default_rng(len(space)).normal(size=(256, dim))
        names = sorted(set(manifest.labels.tolist()))
        base = centres[[names.index(label) for label in manifest.labels.tolist()]]
        vectors = base + noise * np.random.default_rng(seed).normal(size=base.shape)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        card = SpaceCard(teacher_digest=space, preprocess_digest="toy", dim=dim)
        return EmbeddingSet(vectors.astype(np.float32), tuple(manifest.ids.tolist()), card, f"model of seed {seed}")

    return build
