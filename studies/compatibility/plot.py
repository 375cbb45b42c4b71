"""docs/accuracy-cost: accuracy against MACs, the paragon, the baselines and every student in one figure."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetvs.errors import ConfigError
from hetvs.files import atomic
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.words import metric_name
from studies.compatibility.lookup import Lookup, Place
from studies.shared.contest import COMPARED
from studies.shared.methods import BASELINE, DEFAULT, role_of
from studies.shared.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which differ to every eye; shapes differ too.
BLUE, SKY, ORANGE, BLACK, GREY = "#0072B2", "#56B4E9", "#D55E00", "#000000", "#777777"
MARKERS = "v<>Dph*XP"
ASIDE = 1.07  # the step, in MACs, by which methods of one size are moved apart
DOTS_PER_INCH = 160


def require_matplotlib() -> None:
    """Raise ConfigError, with the line that installs it, where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ConfigError("the plot needs matplotlib, which is not installed; run: pip install 'hetvs[plots]'")


def write_plot(path: Path, rows: Iterable[Row], dataset: str, protocol: str) -> None:
    """Write `path`.png and `path`.svg: a panel per metric; nothing when no place is known yet."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    found = Lookup(rows)
    if not found.methods(dataset, protocol):
        return
    with rc_context({"svg.hashsalt": "hetvs", "font.size": 9}):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        panels = figure.subplots(1, len(COMPARED))
        for axes, metric in zip(panels, COMPARED, strict=True):
            _panel(axes, found, dataset, protocol, metric)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False)
        figure.suptitle(f"{dataset}, protocol {protocol}: mean over the seeds, 95 % intervals")
        for kind in ("png", "svg"):
            with atomic(path.with_name(f"{path.name}.{kind}")) as stream:
                metadata = {"Date": None} if kind == "svg" else {}
                figure.savefig(stream, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)


def _panel(axes: Axes, found: Lookup, dataset: str, protocol: str, metric: str) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    places = found.methods(dataset, protocol)
    of = {role: [p for p in places if p.method == role] for role in (DEFAULT, BASELINE)}
    clouds = [p for p in places if role_of(p.method) == "cloud"]
    _line(axes, found, clouds, metric, "g,g", label="cloud model on both sides", color=BLACK, marker="s")
    _line(axes, found, of[DEFAULT], metric, "q,g", label="student, cloud's gallery: M(q,g)", color=BLUE, marker="o")
    _line(axes, found, of[DEFAULT], metric, "q,q", label="student, own gallery: M(q,q)", color=SKY, marker="^")
    _line(axes, found, of[BASELINE], metric, "base,base", label="same network alone", color=ORANGE, marker="s")
    others = [p for p in places if role_of(p.method) in ("student", "control") and p.method != DEFAULT]
    for number, place in enumerate(sorted(others, key=lambda p: p.method)):
        style = {"color": GREY, "marker": MARKERS[number % len(MARKERS)]}
        aside = ASIDE ** (number + 1)
        _line(axes, found, [place], metric, "q,g", label=f"{place.method}: M(q,g), moved right", aside=aside, **style)
    paragon = found.paragon(dataset, protocol, metric).value
    if paragon is not None:
        axes.axhline(100 * paragon, color=BLACK, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("MACs of the query model")
    axes.set_ylabel(f"{metric_name(metric)}, percent")
    axes.grid(visible=True, which="major", alpha=0.25)


def _line(
    axes: Axes, found: Lookup, places: list[Place], metric: str, pair: str, *, aside: float = 1.0, **style: Any
) -> None:
    """Draw one series with its intervals, `aside` times to the right; a place without a number is left out."""
    points = [(found.macs(place), found.estimate(place, metric, pair)) for place in places]
    known = [(macs, estimate) for macs, estimate in points if macs and estimate.value is not None]
    if not known:
        return
    macs, estimates = zip(*known, strict=True)
    values = [100 * (estimate.value or 0) for estimate in estimates]
    errors = [_error(estimate) for estimate in estimates]
    below, above = zip(*errors, strict=True)
    moved = [aside * count for count in macs]
    axes.errorbar(moved, values, yerr=(below, above), markersize=5, capsize=2, linewidth=1, **style)


def _error(estimate: Estimate) -> tuple[float, float]:
    """Return how far the interval reaches below and above, in percent."""
    value = estimate.value or 0.0
    low, high = estimate.low, estimate.high
    return 100 * (value - (low if low is not None else value)), 100 * ((high if high is not None else value) - value)
