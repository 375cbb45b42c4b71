"""The golden test of bundles on ARM64: what is run, and the verdict of each line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_bench.arm.machine import WHEELS, Machine, fetch_wheel
from edge_bench.conversion import converted
from edge_bench.parity import parity
from edge_bench.runtimes import RUNTIMES, missing, unconvertible
from hetvs.artifacts import EdgeBundle
from hetvs.errors import ArtifactError, DatasetError, HetvsError

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Outcome:
    """One bundle in one runtime: `verdict` is "equal", "FAIL" or "SKIPPED", `reason` says why it is not equal.

    `max_abs` is the largest difference of a component from the golden vectors; None without finite vectors.
    """

    bundle: str
    runtime: str
    verdict: str
    max_abs: float | None
    reason: str

    def __str__(self) -> str:
        by = f"largest difference {self.max_abs:.2g}, " if self.max_abs is not None else ""
        return f"{self.bundle} in {self.runtime}: {by}{self.verdict}" + (f": {self.reason}" if self.reason else "")


def judge(bundle: EdgeBundle, runtime: str, vector_BD: np.ndarray, tolerance: float) -> Outcome:
    """Compare the vectors of the golden images with the bundle's, which x86 made."""
    facts = parity(replace(bundle, tolerance=tolerance), vector_BD)
    fault = facts["golden_fault"]
    verdict = "equal" if fault is None else "FAIL"
    return Outcome(str(bundle.folder), runtime, verdict, facts["golden_max_abs"], fault or "")


def run_parity(
    bundles: Sequence[EdgeBundle],
    runtimes: Sequence[str],
    tolerance: float,
    open_machine: Callable[[], Machine],
) -> Iterator[Outcome]:
    """Yield one outcome per bundle and runtime, in order; DatasetError when the machine cannot be set up.

    A runtime that is not installed here, has no wheel for ARM64, or no converter for the graph, is
    SKIPPED; one that dies is a FAIL.
    """
    machine = open_machine()
    fetch_wheel(machine.wheels, "numpy")
    absent = {name: _absent(name, machine) for name in runtimes}
    for bundle in bundles:
        for name in runtimes:
            reason = absent[name] or unconvertible(name, bundle.precision)
            if reason is not None:
                yield Outcome(str(bundle.folder), name, "SKIPPED", None, reason)
                continue
            try:
                yield judge(bundle, name, vectors_of(bundle, name, machine), tolerance)
            except HetvsError as error:
                yield Outcome(str(bundle.folder), name, "FAIL", None, str(error))


def vectors_of(bundle: EdgeBundle, runtime: str, machine: Machine) -> np.ndarray:
    """Return the vectors (B, D) of the golden images on ARM64; ArtifactError when the runtime fails.

    The file of another format is converted on this machine: a phone, too, gets it ready-made.
    """
    entry = RUNTIMES[runtime]
    model = bundle.model_path
    if entry.converter is not None:
        model = converted(bundle, entry.converter, entry.converted_by, entry.converted_name)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "vectors.npy"
        machine.run(runtime, model, bundle.folder, output)
        try:
            vector_BD: np.ndarray = np.load(output, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"{bundle.folder}: {runtime} wrote no vectors: {error}") from error
    return vector_BD


def _absent(runtime: str, machine: Machine) -> str | None:
    """Return why a runtime cannot be asked, None when it can; its wheel is fetched here."""
    reason = missing(runtime)
    if reason is not None:
        return reason
    try:
        fetch_wheel(machine.wheels, WHEELS[runtime])
    except DatasetError as error:
        return str(error)
    return None
