"""The data sets, sizes and methods of the study of compatibility; other studies share its data and its models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hetvs.retrieval.protocols import UNSEEN_DOMAINS
from studies.shared.cases import Case, Dataset
from studies.shared.methods import BASELINE, CLOUD, CONTROL, DEFAULT, HALF, HEAD

NAME = "compatibility"
SEEDS = (0, 1, 2)
EMOJI = Dataset(name="emoji", folder=Path("data/emoji-192"), protocols=("B", "A"), rows="core=1")
KANJI = Dataset(
    name="kanji",
    folder=Path("data/kanji"),
    protocols=("manifest", "manifest, genre=brush", "manifest, genre!=brush"),
)
UNSEEN = Dataset(
    name="emoji-unseen",
    family=EMOJI.name,
    folder=EMOJI.folder,
    protocols=("C",),
    rows=EMOJI.rows,
    trained=",".join([EMOJI.rows, *(f"domain!={domain}" for domain in UNSEEN_DOMAINS)]),
)
# A chain of models that takes minutes, for studies whose claim is another one.
SMALL = Dataset(
    name="emoji-small", family=EMOJI.name, recipes="emoji-small", folder=EMOJI.folder, protocols=("B",), rows=EMOJI.rows
)
SMALL_UNSEEN = replace(SMALL, name="emoji-small-unseen", protocols=("C",), trained=UNSEEN.trained)
SMALL_SIZE = "1/14"
ABLATED = "1/80"
SIZES = ("1/10", "1/23", "1/80", "1/200")
ABLATIONS = (
    "influence alone",
    "anchor",
    "anchor + context",
    "anchor + rank difference",
    "default + influence",
    "default + focal",
    HEAD,
    CONTROL,
)
CASES = (
    Case(EMOJI, "1", CLOUD),
    *(Case(EMOJI, ABLATED, method) for method in (DEFAULT, BASELINE)),
    *(Case(EMOJI, size, method) for size in SIZES if size != ABLATED for method in (DEFAULT, BASELINE)),
    *(Case(EMOJI, ABLATED, method) for method in ABLATIONS),
    Case(KANJI, "1", CLOUD),
    *(Case(KANJI, ABLATED, method) for method in (DEFAULT, BASELINE, "influence alone")),
    Case(EMOJI, "1/4", HALF),
    Case(UNSEEN, "1", CLOUD),
    *(Case(UNSEEN, size, method) for size in SIZES for method in (DEFAULT, BASELINE)),
)
HEADLINE = {dataset.name: dataset.protocols[0] for dataset in (EMOJI, KANJI)}
TIMED = tuple(case for case in CASES if case.method == DEFAULT and not case.dataset.family)
