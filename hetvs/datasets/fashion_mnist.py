"""Fashion-MNIST: 70,000 grey 28x28 pictures of ten kinds of clothing, for classifiers and not for open-set retrieval.

Xiao, Rasul, Vollgraf, arXiv 1708.07747. Every class is in every split. The pictures come from a pinned Debian
package and are written as they are; licence and author: docs/ATTRIBUTION.md.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hetvs.datasets.debian import Package, fetch_packages, read_files
from hetvs.datasets.drawing import draw_missing
from hetvs.datasets.folder import DatasetCard, begin, complete, is_complete
from hetvs.datasets.packages import cache_folder
from hetvs.errors import DatasetError
from hetvs.files import write_text
from hetvs.manifest_table import percentile_of, table_text

BUILDER_VERSION = 1
SIZE_PX = 28
PACKAGE = Package(
    "dataset-fashion-mnist",
    "0.0~git20200523.55506a9-1",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)
FILES = "usr/share/datasets/fashion-mnist"
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FIRST_CLASSES = 5  # half=first: what a model knows before its vocabulary grows
VAL_PERCENT = 10  # of the published training pictures; the published test pictures are the test split
COLUMNS = ("id", "path", "label", "split", "number", "half")


@dataclass(frozen=True)
class Picture:
    """One image: where it stands in the published file "train" or "t10k", its class number, its (28, 28) pixels."""

    source: str
    place: int
    number: int
    pixels: np.ndarray

    @property
    def name(self) -> str:
        """The image's id: the published file, and the place in it."""
        return f"{self.source}/{self.place:05d}"


def fetch_fashion_mnist(
    folder: Path, size_px: int, track: Callable[[list[Sequence[Picture]]], Iterable[Sequence[Picture]]]
) -> bool:
    """Build the set in `folder`; False when it was there already.

    The package comes from the cache or through apt-get. A killed build goes on where it was. `track` may wrap
    the chunks of pictures in a progress bar. Raises DatasetError for another size than 28 px, and as
    `fetch_packages`, `read_files` and `is_complete` do.
    """
    return build_fashion_mnist(folder, size_px, PACKAGE, cache_folder() / "debian", track)


def build_fashion_mnist(
    folder: Path,
    size_px: int,
    package: Package,
    cache: Path,
    track: Callable[[list[Sequence[Picture]]], Iterable[Sequence[Picture]]],
) -> bool:
    """Build the set from `package`, which is in `cache` or is fetched into it."""
    if size_px != SIZE_PX:
        raise DatasetError(f"fashion-mnist has pictures of {SIZE_PX} px, not {size_px}; leave --size out")
    card = DatasetCard(name="fashion-mnist", builder_version=BUILDER_VERSION, size_px=size_px, closed_set=True)
    if is_complete(folder, card):
        return False
    (deb,) = fetch_packages([package], cache)
    pictures = read_pictures(deb)
    begin(folder, card)
    draw_missing(folder, pictures, image_path, _png, track)
    write_text(folder / "manifest.csv", table_text(COLUMNS, map(_row, pictures)))
    complete(folder, card)
    return True


def read_pictures(deb: Path) -> list[Picture]:
    """Return the pictures of the package, train before t10k. Raises DatasetError for a file that is no IDX."""
    names = {
        (source, kind): f"{FILES}/{source}-{kind}-ubyte.gz"
        for source in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    }
    files = read_files(deb, list(names.values()))
    found = []
    for source in ("train", "t10k"):
        try:
            pixels_nHW = read_idx(files[names[source, "images-idx3"]])
            numbers_n = read_idx(files[names[source, "labels-idx1"]])
            rows = list(zip(numbers_n.tolist(), pixels_nHW, strict=True))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise DatasetError(
                f"{deb}: {source}: not pictures with labels: {error}; delete it and fetch again"
            ) from error
        found += [Picture(source, place, number, pixels) for place, (number, pixels) in enumerate(rows)]
    return found


def read_idx(packed: bytes) -> np.ndarray:
    """Return the array of a gzipped IDX file of bytes.

    An IDX file is two zero bytes, the type (8: bytes), the number of axes, their sizes (big-endian) and the values.
    Raises ValueError (or what gzip raises) for anything else.

    >>> read_idx(gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 5, 7])))
    array([[5, 7]], dtype=uint8)
    """
    data = gzip.decompress(packed)
    if data[:3] != b"\0\0\x08":
        raise ValueError("no IDX file of bytes")
    axes = data[3]
    shape = np.frombuffer(data, ">u4", count=axes, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def image_path(picture: Picture) -> str:
    """Return the image's path below the set's folder."""
    return f"images/{picture.name}.png"


def _png(picture: Picture) -> bytes:
    """Return the picture as a grey PNG, pixel for pixel."""
    stream = io.BytesIO()
    Image.fromarray(picture.pixels).save(stream, "png")
    return stream.getvalue()


def _row(picture: Picture) -> tuple[object, ...]:
    """Return one row of the manifest."""
    held_out = percentile_of(f"fashion-mnist/{picture.name}") < VAL_PERCENT
    split = "test" if picture.source == "t10k" else "val" if held_out else "train"
    half = "first" if picture.number < FIRST_CLASSES else "second"
    return picture.name, image_path(picture), CLASSES[picture.number], split, picture.number, half
