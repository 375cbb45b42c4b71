"""The layouts that `hetvs data import` reads: what each is, and the function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hetvs.datasets.layouts.cub import read_cub, read_cub_boxes
from hetvs.datasets.layouts.deepfashion2 import read_deepfashion2
from hetvs.datasets.layouts.inshop import read_inshop
from hetvs.datasets.layouts.row import LayoutRow
from hetvs.datasets.layouts.sop import read_sop
from hetvs.datasets.layouts.templates import read_templates


@dataclass(frozen=True, kw_only=True)
class Layout:
    """`read` gives the rows of a folder, `read_boxes` the same cut to boxes that may be left aside.

    A layout without `trains` has only images to judge.
    """

    description: str
    read: Callable[[Path], list[LayoutRow]]
    read_boxes: Callable[[Path], list[LayoutRow]] | None = None
    trains: bool = True


LAYOUTS = {
    "sop": Layout(description="Stanford Online Products: Ebay_train.txt, Ebay_test.txt", read=read_sop),
    "cub": Layout(
        description="CUB-200-2011: images.txt, image_class_labels.txt; bounding_boxes.txt with --boxes",
        read=read_cub,
        read_boxes=read_cub_boxes,
    ),
    "inshop": Layout(description="In-Shop Clothes: list_eval_partition.txt (or in Eval)", read=read_inshop),
    "deepfashion2": Layout(
        description="DeepFashion2, consumer to shop: train and validation with annos/*.json, image/*.jpg",
        read=read_deepfashion2,
    ),
    "templates": Layout(
        description="IJB-B and IJB-C, 1:N: *gallery*.csv, *probe*.csv of template, subject, picture and box",
        read=read_templates,
        trains=False,
    ),
}
