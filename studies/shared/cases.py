"""What a study is about: data sets, the rows that it promises, and where things lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from studies.shared.jobs import Job


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where runs go and recipes lie."""

    home: Path
    recipes: Path


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set as a study judges it: `rows` filters what is embedded, `fetched` sets are built by name.

    A variant has a `family`: the data set whose name its rows carry, and by whose recipes it is trained unless
    `recipes` names others. `trained` filters what it is trained on, in the place of what its recipes say.
    `protocols` may name slices of the queries too (see `studies.shared.tables`).
    """

    name: str
    folder: Path
    protocols: tuple[str, ...]
    rows: str = ""
    fetched: bool = True
    family: str = ""
    recipes: str = ""
    trained: str = ""

    @property
    def known_as(self) -> str:
        """The name in rows, and that of the set that is fetched."""
        return self.family or self.name

    @property
    def stem(self) -> str:
        """How the names of its recipes begin."""
        return self.recipes or self.known_as


@dataclass(frozen=True)
class Case:
    """A row of a study: a method at a nominal share of the cloud model's MACs, once per seed."""

    dataset: Dataset
    size: str
    method: str

    @property
    def name(self) -> str:
        """What `--only` is matched against, and the stem of the folders.

        >>> Case(Dataset(name="emoji", folder=Path("data"), protocols=()), "1/80", "anchor + context").name
        'emoji/1-80-anchor-context'
        """
        return f"{self.dataset.name}/{slug(self.size)}-{slug(self.method)}"


@dataclass(frozen=True)
class Model:
    """One trained network of a case, and the jobs that make what is known of it."""

    case: Case
    seed: int
    train: Job
    bundle: Job
    columns: Job


def slug(text: str) -> str:
    """Return a text as part of a file name.

    >>> slug("anchor + context"), slug("1/80")
    ('anchor-context', '1-80')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
