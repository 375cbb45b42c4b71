"""docs/results-congruent.md: what the rows of the study of congruent updates say, scenario by scenario."""

from __future__ import annotations

from collections.abc import Sequence

from hetvs.retrieval.rules import verdict
from hetvs.retrieval.words import percent
from studies.congruent.plan import METHODS
from studies.congruent.rows import KEPT, SAVED
from studies.shared.markdown import markdown_table
from studies.shared.rows import MEAN, Row

ENOUGH, ALLOWED = 0.5, 0.003  # the claim: half of the NFR, at 0.3 points of accuracy
TITLES = {"growing": "Five classes, then ten", "same": "The same ten classes, trained again"}
HEADER = ["method", "accuracy", "less no treatment", "NFR", "PFR", "relative NFR", "NFR saved"]
INTRODUCTION = (
    "Written by `make reproduce-congruent` from [results.json](results.json). Test images of Fashion-MNIST, percent, "
    "means over the seeds, 95 % intervals of a bootstrap over the images. NFR: right for the old model and wrong for "
    "the new one. ELODI replaces both models; the ensembles are its references. A warm start is from the weights of "
    "the old model, as focal has it. NFR saved is 1 - NFR / NFR of no treatment."
)


def page(rows: Sequence[Row], search: Sequence[str]) -> str:
    """Return the results as Markdown: a sentence a treatment, a table a scenario, then sentences on search."""
    found = {(row.protocol, row.method, row.metric): row for row in rows if row.seed == MEAN}
    parts = ["# Updates that keep right answers right", INTRODUCTION]
    for scenario in (name for name in TITLES if any(row.protocol == name for row in rows)):
        parts += [f"## {TITLES[scenario]}"]
        parts += [text for method in METHODS if (text := _sentence(found, scenario, method))]
        parts += [markdown_table(HEADER, [_line(found, scenario, m) for m in METHODS if (scenario, m, "nfr") in found])]
    if search:
        parts += ["## Search: cloud/cloud, then edge/cloud", *search]
    return "\n\n".join(parts) + "\n"


def _line(found: dict[tuple[str, str, str], Row], scenario: str, method: str) -> list[str]:
    def shown(metric: str, *, signed: bool = False) -> str:
        row = found.get((scenario, method, metric))
        return percent(row.estimate, signed=signed) if row else "–"

    rates = [shown(metric) for metric in ("nfr", "pfr", "relative_nfr", SAVED)]
    return [method, shown("accuracy"), shown(KEPT, signed=True), *rates]


def _sentence(found: dict[tuple[str, str, str], Row], scenario: str, method: str) -> str:
    """Say whether a treatment does what is claimed: half of the NFR saved, at 0.3 points of accuracy."""
    saved, kept = (found.get((scenario, method, metric)) for metric in (SAVED, KEPT))
    if not saved or not kept or saved.value is None or kept.value is None:
        return ""
    fewer = verdict(saved.estimate)
    claim = saved.value >= ENOUGH and kept.value >= -ALLOWED
    said = {"holds": "lowers", "does not hold": "raises", "inconclusive": "may or may not lower"}[fewer]
    return (
        f"{method.capitalize()} {said} NFR (saved {percent(saved.estimate)} %), accuracy "
        f"{percent(kept.estimate, signed=True)} points: the claim {'is met' if claim else 'is not met'}."
    )
