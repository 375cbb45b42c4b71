"""Prefixes of a rotated space, judged: what is lost when both sides keep the first components only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hetvs.config import EvaluateConfig
from hetvs.retrieval.columns import Columns, columns_of
from hetvs.retrieval.intervals import Estimate, Unit
from hetvs.retrieval.matrix import Contender, Judged


@dataclass(frozen=True)
class Prefix:
    """A pair of models at a length `dim` of their vectors, both cut and normalised again; dicts are by metric.

    `q_g` and `g_g` are M(q,g) and M(g,g), `q_g_loss` and `g_g_loss` what they lack to those of whole vectors, paired.
    """

    query: str
    gallery: str
    dim: int
    space_id: str
    q_g: dict[str, Estimate]
    g_g: dict[str, Estimate]
    q_g_loss: dict[str, Estimate]
    g_g_loss: dict[str, Estimate]


def judge_prefixes(
    judged: Judged, gallery: Contender, queries: Sequence[Contender], unit: Unit, config: EvaluateConfig
) -> tuple[Prefix, ...]:
    """Return each query model at each length of `config.prefixes`, longest first, after the whole vectors."""
    space = gallery.vectors.space
    dims = [space.dim, *sorted(config.prefix_dims, reverse=True)]
    found = _columns(judged, gallery, queries, dims, config)
    samples = found.samples(unit=unit, draws=config.draws, seed=config.seed)
    metrics = list(dict.fromkeys(column[-1] for column in found.values))

    def numbers(query: str, dim: int) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
        """Return M(query, gallery) at a length, and what it lacks to that of whole vectors."""
        at = {m: samples[_at(query, dim), _at(gallery.name, dim), m] for m in metrics}
        whole = {m: samples[_at(query, space.dim), _at(gallery.name, space.dim), m] for m in metrics}
        return {m: at[m].estimate() for m in metrics}, {m: (whole[m] - at[m]).estimate() for m in metrics}

    rows = []
    for query in (q.name for q in queries):
        for dim in dims:
            (q_g, q_g_loss), (g_g, g_g_loss) = numbers(query, dim), numbers(gallery.name, dim)
            space_id = space.prefix(dim).space_id
            rows.append(Prefix(query, gallery.name, dim, space_id, q_g, g_g, q_g_loss, g_g_loss))
    return tuple(rows)


def _columns(
    judged: Judged, gallery: Contender, queries: Sequence[Contender], dims: Sequence[int], config: EvaluateConfig
) -> Columns:
    """Return M(q,g) and M(g,g) per query at every length, side by side, so that they share their draws."""
    models = (gallery, *queries)
    vectors = {
        _at(model.name, dim): judged.align(replace(model, vectors=model.vectors.prefix(dim)))
        for model in models
        for dim in dims
    }
    pairs = [(_at(model.name, dim), _at(gallery.name, dim)) for model in models for dim in dims]
    return columns_of(judged, vectors, pairs, config.ks, config.threads)


def _at(name: str, dim: int) -> str:
    """Return the name of a model whose vectors are cut."""
    return f"{name}@{dim}"
