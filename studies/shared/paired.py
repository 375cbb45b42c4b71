"""Values per query of many models on one bootstrap: every two numbers are paired."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from hetvs.config import EvaluateConfig
from hetvs.retrieval.intervals import Sample, bootstrap, choose_unit
from studies.shared.rows import MEAN

JUDGE = EvaluateConfig()
Seed = int | str  # of a model, or MEAN
Columns = dict[str, np.ndarray]
K = TypeVar("K", bound=Hashable)


def drawn(columns: Mapping[K, np.ndarray], labels: np.ndarray) -> dict[K, Sample]:
    """Return the mean of every column (M,), and its draws, on the same draws of queries or of their `labels`.

    >>> found = drawn({"a": np.array([0.0, 1.0]), "b": np.array([1.0, 1.0])}, np.array([0, 1]))
    >>> found["a"].value, found["b"].estimate().low
    (0.5, 1.0)
    """
    values_MC = np.column_stack(list(columns.values()))
    unit = choose_unit(JUDGE.resample, len(values_MC), len(np.unique(labels)))
    samples = bootstrap(values_MC, labels, unit=unit, draws=JUDGE.draws, seed=JUDGE.seed)
    return dict(zip(columns, samples, strict=True))


def paired(columns: Mapping[K, Columns], labels: np.ndarray) -> dict[K, dict[str, Sample]]:
    """Return the same of the columns of many models."""
    flat = {(key, name): values for key, named in columns.items() for name, values in named.items()}
    found: dict[K, dict[str, Sample]] = {key: {} for key in columns}
    for (key, name), sample in drawn(flat, labels).items():
        found[key][name] = sample
    return found


def with_means(columns: Mapping[tuple[K, Seed], Columns], seeds: Mapping[K, int]) -> dict[tuple[K, Seed], Columns]:
    """Return the columns of every model and seed, then the mean of each model that has all its seeds."""
    found = dict(columns)
    for model in dict.fromkeys(of for of, _ in columns):
        alike = [values for (of, _), values in columns.items() if of == model]
        if len(alike) == seeds[model]:
            found[model, MEAN] = mean_of(alike)
    return found


def mean_of(alike: Sequence[Columns]) -> Columns:
    """Return the mean per query over models that differ in their seed alone.

    >>> mean_of([{"map": np.array([0.0, 1.0])}, {"map": np.array([1.0, 1.0])}])["map"].tolist()
    [0.5, 1.0]
    """
    return {name: np.mean([columns[name] for columns in alike], axis=0) for name in alike[0]}
