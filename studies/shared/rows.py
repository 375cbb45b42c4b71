"""docs/results.json: one flat object a row, of every study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from hetvs.errors import ArtifactError
from hetvs.files import read_json, write_text
from hetvs.retrieval.intervals import Estimate

MEAN = "mean"  # in the place of a seed: the mean over the seeds of a case
DIGITS = 6  # beyond them, two machines disagree


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number with its 95 % interval, 0..1 but for costs; None is undefined.

    `size` is the nominal share of the cloud model's MACs, `macs` the true count of the query model.
    `pair` is query model, gallery model (g cloud, q student, base baseline); measures of a pair of
    cells ("rule/map") carry "q,g", costs carry no protocol and no pair.
    """

    study: str
    dataset: str
    protocol: str
    method: str
    size: str
    macs: int | None
    seed: int | str
    metric: str
    pair: str
    value: float | None
    lower: float | None
    upper: float | None
    command: str

    @property
    def key(self) -> tuple[str, ...]:
        """What names the number: two rows of one key would contradict each other."""
        named = (self.study, self.dataset, self.protocol, self.size, self.method, self.seed, self.metric, self.pair)
        return tuple(map(str, named))

    @property
    def estimate(self) -> Estimate:
        """The number with its interval, as it was measured."""
        return Estimate(self.value, self.lower, self.upper)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the rows of one table share, as `Row` has it."""

    study: str
    dataset: str
    protocol: str
    size: str
    command: str

    def row(
        self, method: str, seed: int | str, pair: str, metric: str, estimate: Estimate, macs: int | None = None
    ) -> Row:
        """Return the row of one number."""
        return Row(
            study=self.study,
            dataset=self.dataset,
            protocol=self.protocol,
            method=method,
            size=self.size,
            macs=macs,
            seed=seed,
            metric=metric,
            pair=pair,
            command=self.command,
            **rounded(estimate),
        )


def rounded(estimate: Estimate) -> dict[str, float | None]:
    """Return value, lower and upper as a row holds them.

    >>> rounded(Estimate(0.12345678, None, 0.5))
    {'value': 0.123457, 'lower': None, 'upper': 0.5}
    """
    numbers = {"value": estimate.value, "lower": estimate.low, "upper": estimate.high}
    return {name: None if number is None else round(number, DIGITS) for name, number in numbers.items()}


def read_rows(path: Path) -> list[Row]:
    """Read every row; none when there is no such file. ArtifactError when one has other fields."""
    if not path.is_file():
        return []
    rows = read_json(path)
    if not isinstance(rows, list):
        raise ArtifactError(f"{path}: is not a list of rows; restore it or delete it")
    return [_row(values, f"{path}: row {number}") for number, values in enumerate(rows, start=1)]


def merge_rows(path: Path, study: str, rows: Iterable[Row]) -> list[Row]:
    """Put `rows` in the place of those with their keys, keep all others, write the file whole; return the study's.

    A number stays until it is measured again: a study may go on where the runs of an earlier go are gone.
    ValueError when a row is of another study, or when two have one key.
    """
    rows = list(rows)
    strangers = {row.study for row in rows} - {study}
    twice = [key for key, count in Counter(row.key for row in rows).items() if count > 1]
    if strangers or twice:
        raise ValueError(f"rows of {strangers} among those of {study!r}, or of one key: {twice[:1]}")
    by_key = {row.key: row for row in (*read_rows(path), *rows)}
    merged = [by_key[key] for key in sorted(by_key)]
    lines = [json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) for row in merged]
    write_text(path, "[\n" + ",\n".join(lines) + "\n]\n")
    return [row for row in merged if row.study == study]


def _row(values: Any, where: str) -> Row:
    names = {f.name for f in fields(Row)}
    if not isinstance(values, dict) or set(values) != names:
        raise ArtifactError(f"{where}: its fields are not {', '.join(sorted(names))}; run its study again")
    return Row(**values)
