"""Processes whose rounds are handed out in turn: a bundle in a runtime beside its twin, and the stages of a bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge_bench.entrant import Entrant
from edge_bench.process import Worker
from edge_bench.query import StageMeasurement
from edge_bench.results import Measurement
from edge_bench.samples import Round
from hetvs.config import BenchConfig


@dataclass(eq=False)
class Loaded:
    """A process that holds a model whose vectors are right, what it said, and its rounds so far (final)."""

    worker: Worker
    facts: dict[str, Any]
    rounds: list[Round] = field(default_factory=list)

    def round(self, config: BenchConfig) -> None:
        """Measure one round; ArtifactError when the process died."""
        answer = self.worker.ask(warmup=config.warmup, calls=config.calls)
        self.facts["peak_rss_bytes"] = answer.pop("peak_rss_bytes")
        self.rounds.append(Round(**{key: tuple(samples) for key, samples in answer.items()}))


@dataclass(frozen=True, eq=False)  # two lanes are never the same
class Lane:
    """An entrant, and its twin: a second process of the same bundle in the same runtime (final).

    What the two differ by is noise.
    """

    entrant: Entrant
    first: Loaded
    twin: Loaded

    def round(self, config: BenchConfig) -> None:
        """Measure one round of both, who is first taking turns; ArtifactError when a process died."""
        pair = [self.first, self.twin]
        for process in pair if len(self.first.rounds) % 2 == 0 else pair[::-1]:
            process.round(config)

    def measurement(self) -> Measurement:
        """Return what was measured."""
        return Measurement(
            **self.entrant.key,
            facts=self.first.facts,
            rounds=tuple(self.first.rounds),
            twin_rounds=tuple(self.twin.rounds),
        )


@dataclass(eq=False)
class StageLane:
    """The stages of one bundle around the model: their process and their rounds so far (final)."""

    bundle: str
    worker: Worker
    facts: dict[str, Any]
    answers: list[dict[str, Any]] = field(default_factory=list)

    def round(self, config: BenchConfig) -> None:
        """Measure one round of every stage; ArtifactError when the process died."""
        self.answers.append(self.worker.ask(warmup=config.warmup, calls=config.calls))

    def measurements(self) -> tuple[StageMeasurement, ...]:
        """Return what was measured, stage by stage."""
        counts = self.facts["runs_per_call"]
        return tuple(
            StageMeasurement(
                bundle=self.bundle,
                stage=stage,
                gallery=self.facts["gallery"] if stage.startswith("search") else None,
                runs_per_call=count,
                reference_runs_per_call=counts["reference"],
                rounds=tuple(_round(answer[stage], answer["reference"]) for answer in self.answers),
            )
            for stage, count in counts.items()
            if stage != "reference"
        )


def _round(stage: dict[str, list[int]], reference: dict[str, list[int]]) -> Round:
    """Return a round out of two blocks."""
    return Round(*map(tuple, (stage["wall_ns"], stage["cpu_ns"], reference["wall_ns"], reference["cpu_ns"])))
