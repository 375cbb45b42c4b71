"""docs/results-product.md: what the rows of the study of products say, part by part."""

from __future__ import annotations

from collections.abc import Sequence

from studies.product.certified import CERTIFICATES, TRUSTED_ANSWERS
from studies.product.head_to_head import HEAD_TO_HEAD
from studies.product.open_set import OPEN_SET
from studies.product.parts import means
from studies.product.prefixes import PREFIXES
from studies.product.processes import SEVERAL_PROCESSES
from studies.product.teacher import ANY_TEACHER, SEEN_VIEWS
from studies.product.thresholds import SMALL_THRESHOLDS, THRESHOLDS
from studies.shared.rows import Row

PARTS = (
    ANY_TEACHER,
    SEEN_VIEWS,
    PREFIXES,
    CERTIFICATES,
    TRUSTED_ANSWERS,
    THRESHOLDS,
    SMALL_THRESHOLDS,
    OPEN_SET,
    SEVERAL_PROCESSES,
    HEAD_TO_HEAD,
)
INTRODUCTION = (
    "Written by `make reproduce-product` from [results.json](results.json). Cloud model, gallery and default student "
    "are those of `make reproduce`, at 1/80, but where a section names others; protocol B on test classes, which no "
    "model saw, through the exported files. Percent, means over the seeds, 95 % intervals of a bootstrap over the "
    "classes. q: student, g: cloud model."
)


def page(rows: Sequence[Row]) -> str:
    """Return the results as Markdown, a section a part."""
    sections: list[str] = []
    for part in PARTS:
        found = means(row for row in rows if row.size == part.size)
        sections += [f"## {part.title}", *part.text(found)]
    return "\n\n".join(["# What a product needs", INTRODUCTION, *sections]) + "\n"
