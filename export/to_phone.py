"""Edge bundle -> self-test kit: model and golden images without .npy, and sources that test a phone with them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from export.verify import check_bundle
from hetvs.artifacts import CARD_NAME, EdgeBundle
from hetvs.files import new_folder, read_json, write_bytes, write_json
from hetvs.preprocess import open_rgba

SOURCES = Path(__file__).with_name("phone")
IMAGES, PIXELS, VECTORS = "golden_images.rgba8", "golden_pixels.rgb8", "golden_vectors.f32"


def phone_kit(bundle_folder: Path, output: Path, *, overwrite: bool = False) -> EdgeBundle:
    """Write the kit of a bundle to `output`: its files at the top, sources in android/, ios/ and web/.

    The bundle is checked first: what fails here would fail on every phone. Raises what `check_bundle` raises.
    """
    bundle = check_bundle(bundle_folder).bundle
    images = [np.asarray(open_rgba(bundle.folder / name)) for name in bundle.golden_files]
    with new_folder(output, overwrite=overwrite) as temporary:
        shutil.copytree(SOURCES, temporary, dirs_exist_ok=True)
        shutil.copyfile(bundle.model_path, temporary / "model.onnx")
        write_bytes(temporary / IMAGES, b"".join(image.tobytes() for image in images))
        write_bytes(temporary / PIXELS, bundle.golden_pixels.tobytes())
        write_bytes(temporary / VECTORS, bundle.golden_vectors.astype("<f4").tobytes())
        card = read_json(bundle.folder / CARD_NAME)
        write_json(temporary / CARD_NAME, {**card, "phone": layout(bundle, images)})
    return bundle


def layout(bundle: EdgeBundle, images: list[np.ndarray]) -> dict[str, Any]:
    """Return what the side-car says of the raw files: rows one after the other, no header, floats little-endian."""
    return {
        "golden_images": {"file": IMAGES, "dtype": "uint8", "sizes": [[i.shape[1], i.shape[0]] for i in images]},
        "golden_pixels": {"file": PIXELS, "dtype": "uint8", "shape": list(bundle.golden_pixels.shape)},
        "golden_vectors": {"file": VECTORS, "dtype": "float32", "shape": list(bundle.golden_vectors.shape)},
    }
