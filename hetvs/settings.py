"""Settings of a stage: fields that explain and check themselves, overridden by file and command line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from hetvs.errors import ConfigError

C = TypeVar("C")


def setting(default: Any, help: str, *, short: str | None = None, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that carries its own help text, short flag and choices; the CLI reads them."""
    return field(default=default, metadata={"help": help, "short": short, "choices": choices})


def override(config: C, values: Mapping[str, Any]) -> C:
    """Return `config` with `values` replaced; an unknown key is an error with a suggestion."""
    known = [f.name for f in fields(config)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown setting {key!r}{did_you_mean(key, known)}")
    return replace(config, **values)  # type: ignore[type-var]


def did_you_mean(word: str, known: list[str]) -> str:
    """Return the tail of an error: the nearest known word, or all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def read_config(kind: type[C], path: Path) -> C:
    """Return the settings of a stage from a TOML file, the rest at their defaults.

    ConfigError names the file, and the line or the key that is wrong.
    """
    values = read_toml(path)
    for f in fields(kind):  # type: ignore[arg-type]
        if f.name in values:
            values[f.name] = _as_type_of(f.default, values[f.name], f"{path}: {f.name}")
    try:
        return override(kind(), values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; ConfigError says which file and line is wrong."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _as_type_of(default: Any, value: Any, where: str) -> Any:
    """Return a TOML value as the type of a default: an integer may stand for a float, a list for a tuple."""
    expected = type(default)
    if expected is float and type(value) is int:
        return float(value)
    if expected is tuple and type(value) is list and {type(v) for v in value} <= {type(default[0])}:
        return tuple(value)
    if type(value) is not expected:
        said = f"list of {type(default[0]).__name__}" if expected is tuple else expected.__name__
        raise ConfigError(f"{where} must be {said}, got {value!r}")
    return value


def require(holds: bool, message: str) -> None:
    """Raise ConfigError(message) unless `holds`."""
    if not holds:
        raise ConfigError(message)


def whole_numbers(text: str, name: str) -> tuple[int, ...]:
    """Return the numbers >= 1 of a setting with commas between them, each once; ConfigError says what is wrong.

    >>> whole_numbers("32, 64", "prefixes"), whole_numbers("", "prefixes")
    ((32, 64), ())
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    numbers = tuple(int(word) if word.isdecimal() else 0 for word in words)
    require(
        all(number >= 1 for number in numbers) and len(set(numbers)) == len(numbers),
        f"{name} must be different whole numbers >= 1 with commas between, got {text!r}",
    )
    return numbers


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ConfigError unless `value` is one of `choices`."""
    if value not in choices:
        raise ConfigError(f"{name} {value!r} is unknown{did_you_mean(value, list(choices))}")
