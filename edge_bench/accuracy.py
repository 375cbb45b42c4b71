"""How well a bundle retrieves: read from the report of `hetvs evaluate`, never measured here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hetvs.artifacts import CARD_NAME
from hetvs.errors import ArtifactError
from hetvs.files import read_json

METRICS = ("recall@1", "map")
NOT_GIVEN = "no report of hetvs evaluate was given (--accuracy)"


class Identity(NamedTuple):
    """Which model a bundle holds."""

    weights_digest: str
    precision: str


@dataclass(frozen=True)
class Accuracy:
    """What one bundle reaches as query model against a gallery: (value, low, high) in 0..1 by metric.

    `metrics` is None where nothing is known, and `reason` says why.
    """

    gallery: str = ""
    setting: str = ""
    metrics: dict[str, dict[str, float]] | None = None
    reason: str = NOT_GIVEN


def accuracies(path: Path, models: dict[str, Identity]) -> dict[str, Accuracy]:
    """Return the accuracy of each bundle, by name, matched by weights and precision: a name proves nothing.

    ArtifactError when `path` is not a report of `hetvs evaluate`.
    """
    report = read_json(path)
    try:
        return {bundle: _accuracy(report, str(path), identity) for bundle, identity in models.items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ArtifactError(f"{path}: not a report of hetvs evaluate ({error}); give its report.json") from error


def precision_of(folder: Path) -> str | None:
    """Return the precision that the card of a bundle or a run states (a run: fp32); None without a card."""
    card = folder / CARD_NAME
    return str(read_json(card).get("export", {}).get("precision", "fp32")) if card.is_file() else None


def _accuracy(report: dict[str, Any], where: str, identity: Identity) -> Accuracy:
    """Return the accuracy of that very model, asking the gallery that the report judges."""
    same = [model for model in report["models"] if model["model_digest"] == identity.weights_digest]
    # int8 and fp32 have the weights of one training run, and not its accuracy.
    names = [model["name"] for model in same if precision_of(Path(model["source"])) == identity.precision]
    if not names:
        of = f"of these weights in {identity.precision}, from a folder that is still there"
        return Accuracy(reason=f"{where} judges no model {of}; evaluate this bundle")
    gallery = report["judgements"][0]["gallery"]
    cells = [c for c in report["cells"] if (c["query"], c["gallery"]) == (names[0], gallery) and c["metrics"]]
    if not cells:
        return Accuracy(reason=f"{where}: {names[0]} did not ask the gallery of {gallery}")
    setup, found = report["setup"], cells[0]["metrics"]
    metrics = {name: {key: found[name][key] for key in ("value", "low", "high")} for name in METRICS if name in found}
    return Accuracy(gallery, f"protocol {setup['protocol']}, {setup['split']}", metrics, "")
