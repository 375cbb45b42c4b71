"""docs/results-lqf.md: the rows of the study as tables; every number comes from a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hetvs.files import write_text
from hetvs.retrieval.words import percent
from studies.lqf.agreement import CG_STEPS, SGD_PASSES, TOLERANCE
from studies.lqf.arms import LQF
from studies.lqf.rows import APART
from studies.shared.markdown import markdown_table
from studies.shared.rows import MEAN, Row

LEGEND = (
    "Accuracy on test images in percent, mean over the seeds, with 95 % intervals of a bootstrap over the images. "
    "Every arm has the same images, the same start and three trials, among which the same val images choose. The arms "
    "below the first four lack an ingredient, and run on one draw alone. A sentence is written only where an interval "
    "is on one side of zero."
)

AGREEMENT = (
    "||a - b|| / ||b|| of the outputs on val images of one problem. The seed sets the order of the images, and of "
    "K-FAC the draws; every arm starts from the same weights. lambda is a share of the mean diagonal of J'J / n. CG "
    f"stops at a residual of {TOLERANCE:g} or {CG_STEPS:,} steps, stochastic gradients after {SGD_PASSES} passes."
)

NOTHING = "Nothing measured yet."


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Write the page; a part without rows says so."""
    means = [row for row in rows if row.seed == MEAN]
    parts = ["# Linear-quadratic fine-tuning: results", "Written by `make reproduce-lqf`."]
    parts += ["## Few images", LEGEND, *_tasks(means), "## A style never seen", *_compat(means)]
    parts += ["## One solution", *_agreement(means), "## Cost", *_costs(means)]
    write_text(path, "\n\n".join(parts) + "\n")


def _tasks(rows: Sequence[Row]) -> list[str]:
    parts = []
    mine = [row for row in rows if row.metric == "accuracy"]
    for task in dict.fromkeys(row.dataset for row in mine):
        cells = {(row.method, row.protocol): row for row in mine if row.dataset == task}
        draws = sorted({protocol for _, protocol in cells}, key=_count)
        arms = [arm for arm in dict.fromkeys(method for method, _ in cells) if not arm.startswith(f"{LQF} - ")]
        lines = [[arm, *(_cell(cells.get((arm, draw))) for draw in draws)] for arm in sorted(arms, key=_first)]
        parts += [markdown_table([task, *draws], lines), *_verdicts(cells, draws)]
    return parts or [NOTHING]


def _verdicts(cells: dict[tuple[str, str], Row], draws: Sequence[str]) -> list[str]:
    """Say where linear-quadratic is above or below a rival, by the paired interval."""
    said = []
    for (method, draw), row in cells.items():
        if method.startswith(f"{LQF} - ") and row.lower is not None and row.upper is not None:
            rival = method.removeprefix(f"{LQF} - ")
            if row.lower > 0 or row.upper < 0:
                word = "above" if row.lower > 0 else "below"
                said.append((draws.index(draw), f"With {draw} it is {word} {rival}: {_cell(row, signed=True)} points."))
    return [" ".join(text for _, text in sorted(said))] if said else []


def _compat(rows: Sequence[Row]) -> list[str]:
    mine = [row for row in rows if row.pair == "q,g"]
    lines = []
    for domain in dict.fromkeys(row.dataset for row in mine):
        for kind in ("style", "elsewhere"):
            cells = {(row.method, row.metric): row for row in mine if (row.dataset, row.protocol) == (domain, kind)}
            for arm in dict.fromkeys(method for method, _ in cells):
                numbers = [cells.get((arm, metric)) for metric in ("recall@1", "gain/recall@1", "nfr@1")]
                cell = [_cell(row, signed=place == 1) for place, row in enumerate(numbers)]
                lines.append([domain, kind, arm, *cell])
    header = ["style", "queries", "arm", "recall@1 M(q,g)", "gain, points", "NFR@1 against the start"]
    return [markdown_table(header, lines)] if lines else [NOTHING]


def _agreement(rows: Sequence[Row]) -> list[str]:
    lines = [[row.method, row.protocol, _number(row)] for row in rows if row.metric == APART]
    return [AGREEMENT, markdown_table(["pair", "of", APART], lines)] if lines else [NOTHING]


def _costs(rows: Sequence[Row]) -> list[str]:
    mine = [row for row in rows if row.protocol.startswith("cost")]
    lines = [[row.metric, row.protocol, _number(row)] for row in mine]
    return [markdown_table(["what", "of", "value"], lines)] if lines else [NOTHING]


def _number(row: Row) -> str:
    if row.value is None:
        return "-"
    spread = "" if row.lower is None or row.upper is None else f" [{row.lower:.3g}, {row.upper:.3g}]"
    return f"{row.value:,.4g}{spread}"


def _cell(row: Row | None, *, signed: bool = False) -> str:
    return "-" if row is None else percent(row.estimate, signed=signed)


def _count(protocol: str) -> int:
    """Return the images of a draw, all of them last.

    >>> sorted(["20 a class", "all images", "5 a class"], key=_count)
    ['5 a class', '20 a class', 'all images']
    """
    word = protocol.split()[0]
    return int(word) if word.isdigit() else 1 << 30


def _first(arm: str) -> tuple[int, str]:
    order = (LQF, "AdamW", "SGD", "linear head")
    return (order.index(arm) if arm in order else len(order), arm)
