"""One image as a layout lists it, and the table that is made of many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hetvs.preprocess import Box


@dataclass(frozen=True, kw_only=True)
class LayoutRow:
    """One image, or one box of it.

    `origin` is where it is listed, FILE:LINE. `id` is unique and holds no part of the user's own
    folders. `judged` says that the benchmark tests on it; `is_query` and `is_gallery` are its roles
    when it is judged, by the benchmark or as part of val. `unit` is what val is cut by, "" for the
    label. `extra` are columns of the layout's own, the same in all of its rows.
    """

    origin: str
    id: str
    image: Path
    label: str
    judged: bool
    is_query: bool = True
    is_gallery: bool = True
    domain: str = ""
    box: Box | None = None
    unit: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
