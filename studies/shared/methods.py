"""The ways to make a student that a study compares: each is a recipe with some settings replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from hetvs.config import TERMS, StudentConfig
from studies.shared.tables import Role

Values = dict[str, Any]
CLOUD, HALF, BASELINE, CONTROL, DEFAULT = (
    "cloud",
    "cloud, half resolution",
    "independent",
    "relational alone",
    "default",
)
HEAD = "closed-form head"
ROLE: dict[str, Role] = {CLOUD: "cloud", HALF: "cloud", BASELINE: "baseline", CONTROL: "control"}


def role_of(method: str) -> Role:
    """Return what a model of this method is to the cloud model.

    >>> role_of("independent"), role_of("anchor")
    ('baseline', 'student')
    """
    return ROLE.get(method, "student")


def difference_of(method: str, other: str) -> str:
    """Return the name of the rows that hold what a method scores above another.

    >>> difference_of("default", "anchor")
    'default - anchor'
    """
    return f"{method} - {other}"


BEHIND, LEAD = difference_of(DEFAULT, CLOUD), difference_of(CLOUD, BASELINE)


def _only(*terms: str) -> Callable[[StudentConfig], Values]:
    """Keep these terms, at the recipe's weight where it has one, else at 1; no other term and no focal weight."""

    def replaced(recipe: StudentConfig) -> Values:
        return {**dict.fromkeys(TERMS, 0.0), **{term: getattr(recipe, term) or 1.0 for term in terms}, "focal": 0.0}

    return replaced


def _alone(term: str) -> Callable[[StudentConfig], Values]:
    """Train by one term from scratch: no closed-form fit, and no mixed images, which have no label."""
    return lambda recipe: {**_only(term)(recipe), "ridge": "off", "mixup": False, "start": ""}


def _more(**values: Any) -> Callable[[StudentConfig], Values]:
    return lambda recipe: values


REPLACED: Mapping[str, Callable[[StudentConfig], Values]] = {
    DEFAULT: _more(),
    HEAD: _more(epochs=0, ridge="start", mixup=False),
    "anchor": _only("anchor"),
    "anchor + context": _only("anchor", "context"),
    "anchor + rank difference": _only("anchor", "rank_difference"),
    "default + influence": _more(influence=0.2, mixup=False),
    "default + focal": _more(focal=5.0, mixup=False),
    "influence alone": _alone("influence"),  # the published weight level: the frozen head of the cloud model
    CONTROL: _alone("relational"),
}


def overrides(method: str, recipe: StudentConfig) -> Values:
    """Return the settings in which a method differs from the recipe; none for a method that the recipe is."""
    said = asdict(recipe)
    return {name: value for name, value in REPLACED[method](recipe).items() if said[name] != value}


def options(values: Mapping[str, Any]) -> list[str]:
    """Return settings as options of a command.

    >>> options({"rank_difference": 1.0, "mixup": False})
    ['--rank-difference', '1.0', '--no-mixup']
    """
    words: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return words
