"""The versions of a model, oldest first: does each newer one find more in an older gallery than its own model did?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from hetvs.artifacts import require_same_space
from hetvs.config import EvaluateConfig
from hetvs.errors import ConfigError
from hetvs.manifest import Manifest
from hetvs.retrieval import flips, metrics, updates
from hetvs.retrieval.columns import Column, Columns
from hetvs.retrieval.intervals import Estimate, Sample, choose_unit
from hetvs.retrieval.judge import facts_of, notes_of, setup_of
from hetvs.retrieval.matrix import CellScores, Contender, Judged, Seat, cell
from hetvs.retrieval.protocols import Protocol
from hetvs.retrieval.report import Cell
from hetvs.retrieval.versions_report import Chain, Step, VersionsReport, Worth


@dataclass(frozen=True)
class Cast:
    """Who is judged: `versions` oldest first, the newest one's full vector, and a free new model, if given."""

    versions: tuple[Contender, ...]
    own: Contender | None = None
    free: Contender | None = None

    @property
    def all(self) -> tuple[Contender, ...]:
        """Everyone."""
        return (*self.versions, *(c for c in (self.own, self.free) if c is not None))


def require_versions(versions: Sequence[Seat], own: Seat | None, free: Seat | None) -> None:
    """Check names and spaces before any work: one space for all versions, others for `own` and `free`.

    Raises IncompatibleSpaceError, or ConfigError for fewer than two versions, a name given twice, or a model
    in the wrong role.
    """
    if len(versions) < 2:
        raise ConfigError("an update has at least two versions; give --old and --query-model")
    names = [name for name, _ in (*versions, *(seat for seat in (own, free) if seat))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"model {twice[0]!r} is given twice; give each version once")
    oldest_name, oldest = versions[0]
    for name, space in versions[1:]:
        require_same_space(space, oldest, name, oldest_name)
    for role, seat in (("own", own), ("free", free)):
        if seat and seat[1].space_id == oldest.space_id:
            raise ConfigError(f"--{role} {seat[0]!r} lives in the old space; give it as a version")


def judge_versions(manifest: Manifest, protocol: Protocol, cast: Cast, config: EvaluateConfig) -> VersionsReport:
    """Judge every newer version in every older gallery on the images of `protocol`.

    Of `config` it reads ks, resample, draws, seed and threads. Raises what `require_versions` does,
    ArtifactError (an image without a vector) and ManifestError (no query has a relevant item).
    """
    own, free = (c.seat if c else None for c in (cast.own, cast.free))
    require_versions([v.seat for v in cast.versions], own, free)
    judged = Judged.of(manifest, protocol)
    scores = _cells(judged, cast, config)
    columns = Columns.of(judged, scores)
    names = tuple(v.name for v in cast.versions)
    pairs = [(names[t], names[s]) for t, s in updates.pairs_of(len(names))]
    for pair in pairs:
        columns.values.update({(*pair, name): values for name, values in _flips(columns, *pair).items()})
    unit = choose_unit(config.resample, len(columns.ids), len(np.unique(columns.labels)))
    samples = columns.samples(unit=unit, draws=config.draws, seed=config.seed)
    setup = setup_of(manifest, protocol, judged, columns, unit, config)
    asked = metrics.names(config.ks)
    steps = tuple(_step(columns, samples, new, old, asked) for new, old in pairs)
    return VersionsReport(
        setup=setup,
        models=tuple(facts_of(c, cast.versions[0]) for c in cast.all),
        versions=names,
        free=cast.free.name if cast.free else None,
        own=cast.own.name if cast.own else None,
        cells=tuple(_cell(scored, samples, asked) for scored in scores),
        steps=steps,
        worth={m: _worth(cast, samples, m) for m in asked} if cast.free else None,
        chain={m: _chain(names, steps, samples, m) for m in asked},
        notes=notes_of(judged, setup, config.ks),
    )


def _cells(judged: Judged, cast: Cast, config: EvaluateConfig) -> list[CellScores]:
    """Return the lower triangle, the full vector and the free model alone, and that model's chance-level control."""
    vectors = {c.name: judged.align(c) for c in cast.all}
    ks, names = (*config.ks, flips.K), [v.name for v in cast.versions]
    pairs = [(names[t], names[s]) for s in range(len(names)) for t in range(s, len(names))]
    pairs += [(c.name, c.name) for c in (cast.own, cast.free) if c is not None]
    found = [cell(judged, (q, vectors[q]), (g, vectors[g]), ks, threads=config.threads) for q, g in pairs]
    if cast.free is not None:
        asks, asked = ((name, vectors[name]) for name in (cast.free.name, names[-2]))
        if asks[1].shape == asked[1].shape:
            found.append(cell(judged, asks, asked, ks, control=True, threads=config.threads))
    return found


def _flips(columns: Columns, new: str, old: str) -> dict[str, np.ndarray]:
    right = [columns.values[query, old, f"recall@{flips.K}"] > 0 for query in (old, new)]
    return flips.per_query(*right)


def _step(columns: Columns, samples: dict[Column, Sample], new: str, old: str, asked: Sequence[str]) -> Step:
    """Say what the evidence holds on one pair of versions."""
    names = list(_flips(columns, new, old))
    values = {name: columns.values[new, old, name] for name in names}
    drawn = {name: samples[new, old, name] for name in names}
    rule = {m: updates.backward_rule(samples[new, old, m], samples[old, old, m]) for m in asked}
    return Step(new, old, rule, flips.flips_of(columns.ids, values, drawn))


def _cell(scored: CellScores, samples: dict[Column, Sample], asked: Sequence[str]) -> Cell:
    pair = (scored.query, scored.gallery)
    return Cell(*pair, scored.kind, {m: samples[*pair, m].estimate() for m in asked}, scored.ties)


def _worth(cast: Cast, samples: dict[Column, Sample], metric: str) -> Worth:
    """Return gain, cost and scores of the newest version over the one before it."""
    assert cast.free is not None
    new, old, free = cast.versions[-1].name, cast.versions[-2].name, cast.free.name
    alone = cast.own.name if cast.own else new
    cells = updates.UpdateCells(
        new_new=samples[alone, alone, metric],
        new_old=samples[new, old, metric],
        old_old=samples[old, old, metric],
        free_free=samples[free, free, metric],
    )
    return Worth(
        gain=updates.update_gain(cells.new_old, cells.old_old, cells.free_free),
        cost=(cells.new_new - cells.free_free).estimate(),
        scores=updates.scores([cells]),
    )


def _chain(names: Sequence[str], steps: Sequence[Step], samples: dict[Column, Sample], metric: str) -> Chain:
    """Return AC and AM of the lower triangle."""
    versions = range(len(names))
    triangle = {(t, s): samples[names[t], names[s], metric] for t in versions for s in versions if s <= t}
    matrix_VV = np.zeros((len(names), len(names)))
    for place, sample in triangle.items():
        matrix_VV[place] = sample.value
    draws = reduce(add, [sample.draws for sample in triangle.values()]) / len(triangle)
    am: Estimate = Sample(updates.average_of_chain(matrix_VV), draws).estimate()
    shown = sum(step.rule[metric].verdict == "holds" for step in steps)
    return Chain(updates.compatibility(matrix_VV), am, shown, len(steps))
