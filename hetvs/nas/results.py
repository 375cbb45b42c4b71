"""What a search leaves behind: every candidate, the front, the best one, a plot and a page."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetvs.errors import ConfigError
from hetvs.files import write_bytes, write_json, write_text
from hetvs.nas.candidate import Candidate, best_of, front_of, judged
from hetvs.nas.costs import Costs
from hetvs.nas.space import encode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"  # of Okabe and Ito, which differ to every eye
DOTS_PER_INCH = 160
COSTS = tuple(Costs.__dataclass_fields__)


def write_tables(folder: Path, candidates: Sequence[Candidate]) -> None:
    """Write candidates.csv, front.csv and best.json: genes, costs and scores.

    best.json is what `train-student --arch` reads. ConfigError when nothing was judged.
    """
    best = best_of(candidates)
    if best is None:
        raise ConfigError(f"{folder}: no candidate was judged; search on with more --candidates")
    write_text(folder / "candidates.csv", table(candidates))
    write_text(folder / "front.csv", table(front_of(candidates)))
    write_json(folder / "best.json", as_json(best))


def as_json(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as a file of its architecture with what is known of it."""
    return {
        **encode(candidate.arch),
        "number": candidate.number,
        "reward": candidate.reward,
        "costs": asdict(candidate.costs),
        "scores": dict(candidate.scores),
    }


def table(candidates: Sequence[Candidate]) -> str:
    """Return candidates as CSV; what one does not have is empty."""
    names = sorted({name for one in candidates for name in one.scores})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["number", "generation", "state", "reward", *COSTS, *names, "genes"])
    for one in candidates:
        reward = "" if one.reward is None else repr(one.reward)
        costs = ["" if getattr(one.costs, name) is None else getattr(one.costs, name) for name in COSTS]
        scores = [one.scores.get(name, "") for name in names]
        writer.writerow([one.number, one.generation, one.state, reward, *costs, *scores, json.dumps(encode(one.arch))])
    return stream.getvalue()


def write_plot(path: Path, candidates: Sequence[Candidate], reward: str, cost: str) -> None:
    """Write a PNG: reward against cost of all that was judged, and the front through the best of them."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        _draw(figure.subplots(), candidates, reward, cost)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    write_bytes(path, stream.getvalue())


def _draw(axes: Axes, candidates: Sequence[Candidate], reward: str, cost: str) -> None:
    points, best = [one.point for one in judged(candidates)], [one.point for one in front_of(candidates)]
    axes.plot(*zip(*points, strict=True), ".", color=GREY, alpha=0.5, label="judged")
    axes.step(*zip(*best, strict=True), where="post", color=BLUE, linewidth=1.2)
    axes.plot(*zip(*best, strict=True), "o", color=ORANGE, markersize=5, label="front")
    axes.set_xscale("log")
    axes.set_xlabel(cost)
    axes.set_ylabel(reward)
    axes.grid(visible=True, which="major", alpha=0.25)
    axes.legend(loc="lower right", frameon=False)


def png_base64(path: Path) -> str:
    """Return a picture as a page holds it."""
    return base64.b64encode(path.read_bytes()).decode()
