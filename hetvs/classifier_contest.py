"""Two classifiers on the same images of a manifest: the comparison, and the folder that it is written to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetvs.classifiers import Ensemble, right_answers
from hetvs.config import CompareConfig
from hetvs.encoders import batches
from hetvs.errors import ManifestError
from hetvs.files import new_folder, write_json, write_text
from hetvs.manifest import Manifest
from hetvs.manifest_table import table_text
from hetvs.progress import track
from hetvs.retrieval.comparison import Bits, Comparison, compare
from hetvs.retrieval.flip_page import Answer, FlipPage, FlippedQuery, first, render_flips
from hetvs.retrieval.page import Picture, picture

SHOWN_CLASSES = 3
Probabilities = tuple[np.ndarray, tuple[str, ...]]  # (n, C), and the names of the C classes


@dataclass(frozen=True)
class ClassifierContest:
    """The judged rows of a manifest, what both sides make of them, and the comparison."""

    manifest: Manifest
    rows: np.ndarray
    old: Probabilities
    new: Probabilities
    comparison: Comparison


def judge_classifiers(manifest: Manifest, old: Ensemble, new: Ensemble, config: CompareConfig) -> ClassifierContest:
    """Let both answer the judged images and count the flips.

    An image of a class that one side does not know is wrong for it. Raises ManifestError when no row is left.
    """
    rows = manifest.rows(config.split, config.rows)
    if not len(rows):
        raise ManifestError(f"{manifest.source}: no row in split {config.split!r} where {config.rows or 'any'}")
    truth_n = manifest.labels[rows]
    sides = []
    for side in (old, new):
        shown = track(batches(rows, config.batch_size), f"answers of {side.name}")
        sides.append(side.answers(manifest, shown))
    right = [right_answers(logits_nC, side.labels, truth_n) for logits_nC, side in zip(sides, (old, new), strict=True)]
    bits = Bits(manifest.ids[rows], truth_n, right[0], right[1])
    return ClassifierContest(
        manifest=manifest,
        rows=rows,
        old=(_softmax(sides[0]), old.labels),
        new=(_softmax(sides[1]), new.labels),
        comparison=compare(bits, (old.name, new.name), "accuracy", config),
    )


def write_comparison(
    contest: ClassifierContest, folder: Path, command: str, config: CompareConfig, *, overwrite: bool = False
) -> None:
    """Write comparison.json, answers.csv (id, label, both first answers) and flips.html; they appear together."""
    found, rows = contest.comparison, contest.rows
    unknown = sum(label not in contest.old[1] for label in contest.manifest.labels[rows].tolist())
    page = FlipPage(
        comparison=found,
        setup=f"{_judged(config)}: {found.items:,} images of {found.classes} classes, a closed set; {unknown:,} are of "
        f"classes that {found.old} does not know. {config.draws:,} bootstrap draws of {found.resampled}.",
        score="probability",
        flipped=_flipped(contest, config.limit),
        command=command,
    )
    said = map(_answers, (contest.old, contest.new))
    answers = zip(contest.manifest.ids[rows], contest.manifest.labels[rows], *said, strict=True)
    with new_folder(folder, overwrite=overwrite) as temporary:
        write_json(temporary / "comparison.json", found.to_json())
        write_text(temporary / "answers.csv", table_text(("id", "label", "old", "new"), answers))
        write_text(temporary / "flips.html", render_flips(page))


def _judged(config: CompareConfig) -> str:
    return f"{config.split.capitalize()} split" + (f", rows where {config.rows}" if config.rows else "")


def _answers(side: Probabilities) -> list[str]:
    """Return the first answer to each image."""
    probability_nC, labels = side
    return [labels[number] for number in probability_nC.argmax(axis=1).tolist()]


def _flipped(contest: ClassifierContest, limit: int) -> list[FlippedQuery]:
    """Return the negative flips, each with the likeliest classes of both sides."""
    ids = contest.manifest.ids[contest.rows].tolist()
    place_of = {image_id: place for place, image_id in enumerate(ids)}

    def answers(side: Probabilities, place: int, wanted: str) -> tuple[Answer, ...]:
        probability_C = side[0][place]
        best = np.argsort(-probability_C, kind="stable")[:SHOWN_CLASSES].tolist()
        return tuple(Answer(Picture("", side[1][n], "", side[1][n] == wanted), float(probability_C[n])) for n in best)

    def flipped(image_id: str) -> FlippedQuery:
        place = place_of[image_id]
        row = int(contest.rows[place])
        wanted = str(contest.manifest.labels[row])
        before, after = (answers(side, place, wanted) for side in (contest.old, contest.new))
        return FlippedQuery(picture(contest.manifest, row, wanted), before, after)

    return [flipped(image_id) for image_id in first(contest.comparison.flips.negative, limit)]


def _softmax(logits_nC: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits_nC - logits_nC.max(axis=1, keepdims=True))
    probability_nC: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return probability_nC
