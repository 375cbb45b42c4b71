"""Stanford Online Products: `Ebay_train.txt` and `Ebay_test.txt`, classes disjoint.

Song, Xiang, Jegelka, Savarese, CVPR 2016. Every test image asks all others.
"""

from __future__ import annotations

from pathlib import Path

from hetvs.datasets.layouts.listing import read_lines
from hetvs.datasets.layouts.row import LayoutRow

COLUMNS = ("image_id", "class_id", "super_class_id", "path")
LISTS = {"Ebay_train.txt": False, "Ebay_test.txt": True}  # file -> is it judged


def read_sop(folder: Path) -> list[LayoutRow]:
    """Return the images of both lists; ManifestError for a list that is missing or off."""
    return [
        LayoutRow(
            origin=line.origin,
            id=line.cells["path"],
            image=folder / line.cells["path"],
            label=str(line.whole("class_id")),
            judged=judged,
            extra={"super_class": line.cells["super_class_id"]},
        )
        for name, judged in LISTS.items()
        for line in read_lines(folder / name, COLUMNS, header=True)
    ]
