"""How well a bundle retrieves: read from the report of `hetvs evaluate`, never measured here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hetvs.errors import ArtifactError
from hetvs.files import read_json

METRICS = ("recall@1", "map")
NOT_GIVEN = "no report of hetvs evaluate was given (--accuracy)"


@dataclass(frozen=True)
class Accuracy:
    """What one bundle reaches as query model against a gallery: (value, low, high) in 0..1 by metric.

    `metrics` is None where nothing is known, and `reason` says why.
    """

    gallery: str = ""
    setting: str = ""
    metrics: dict[str, dict[str, float]] | None = None
    reason: str = NOT_GIVEN


def accuracies(path: Path, digests: dict[str, str]) -> dict[str, Accuracy]:
    """Return the accuracy of each bundle, matched by the digest of its weights: a name proves nothing.

    `digests` maps a bundle's name to its weights digest. ArtifactError when `path` is not such a report.
    """
    report = read_json(path)
    try:
        return {bundle: _accuracy(report, str(path), digest) for bundle, digest in digests.items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ArtifactError(f"{path}: not a report of hetvs evaluate ({error}); give its report.json") from error


def _accuracy(report: dict[str, Any], where: str, digest: str) -> Accuracy:
    """Return the accuracy of the model with those weights, asking the gallery that the report judges."""
    names = [model["name"] for model in report["models"] if model["model_digest"] == digest]
    if not names:
        return Accuracy(reason=f"{where} judges no model of these weights; evaluate this bundle")
    gallery = report["judgements"][0]["gallery"]
    cells = [c for c in report["cells"] if (c["query"], c["gallery"]) == (names[0], gallery) and c["metrics"]]
    if not cells:
        return Accuracy(reason=f"{where}: {names[0]} did not ask the gallery of {gallery}")
    setup, found = report["setup"], cells[0]["metrics"]
    metrics = {name: {key: found[name][key] for key in ("value", "low", "high")} for name in METRICS if name in found}
    return Accuracy(gallery, f"protocol {setup['protocol']}, {setup['split']}", metrics, "")
