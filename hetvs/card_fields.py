"""Fields of a card, read back from JSON: what is missing, unknown, mistyped or of another version is one line.

`SCHEMA_VERSION` is bumped when a field changes its meaning. It is part of every space id.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from hetvs.errors import ArtifactError
from hetvs.preprocess import RESIZE_CONTRACT, Preprocess

SCHEMA_VERSION = 1
T = TypeVar("T")


def of_this_schema(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Return `values`; ArtifactError when they were written with another schema version."""
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ArtifactError(f"{where}: schema version {version!r}, this hetvs reads {SCHEMA_VERSION}; re-export it")
    return values


def preprocess_of(value: Any, where: str) -> Preprocess:
    """Read the preprocessing of a card; mean and std are lists of three numbers in JSON."""
    values = dict(value) if isinstance(value, dict) else {}
    for key in ("mean", "std"):
        numbers = values.get(key)
        if not (isinstance(numbers, list) and len(numbers) == 3 and all(isinstance(n, float | int) for n in numbers)):
            raise ArtifactError(f"{where}: preprocess {key} is not three numbers; re-export it")
        values[key] = tuple(numbers)
    if values.get("resize") != RESIZE_CONTRACT:
        raise ArtifactError(
            f"{where}: resize contract {values.get('resize')!r}, this hetvs resizes by {RESIZE_CONTRACT!r}; "
            "use the hetvs that wrote it, or train and export again"
        )
    return build(Preprocess, values, where)


def build(cls: type[T], values: dict[str, Any], where: str) -> T:
    """Make a dataclass from JSON values; a missing, unknown or mistyped field is an ArtifactError."""
    kinds = {f.name: f.type for f in fields(cls)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in kinds:
            raise ArtifactError(f"{where}: unknown field {name!r}; written by another version of hetvs?")
        if kinds[name] in ("str", "int") and type(value).__name__ != kinds[name]:
            raise ArtifactError(f"{where}: {name} must be {kinds[name]}, got {value!r}; re-export it")
    try:
        return cls(**values)
    except TypeError as error:
        raise ArtifactError(f"{where}: {error}; written by another version of hetvs?") from None
