"""The plots of the page as inline SVG: accuracy against latency, and how latency is distributed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hetvs.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which differ to every eye; shapes differ too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#777777")
MARKERS = "osD^vP*X"
GREY = "#777777"
METRIC = "map"
Entry = dict[str, Any]


def require_matplotlib() -> None:
    """Raise ConfigError, with the line that installs it, where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ConfigError("the page's plots need matplotlib, which is not installed; run: pip install 'hetvs[plots]'")


def pareto_svg(measured: Sequence[Entry]) -> str:
    """Return mAP against time per image, one point per bundle and runtime; empty where no accuracy is known."""
    known = [entry for entry in measured if entry["accuracy"]["metrics"] and METRIC in entry["accuracy"]["metrics"]]
    return _svg(lambda axes: _pareto(axes, known), "accuracy against latency", 3.6) if known else ""


def latency_svg(measured: Sequence[Entry]) -> str:
    """Return a box per bundle and runtime: the middle half of the samples, whiskers from P5 to P95."""
    if not measured:
        return ""
    return _svg(lambda axes: _boxes(axes, measured), "distribution of latency", 1.0 + 0.32 * len(measured))


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (time, accuracy) points that no faster one reaches in accuracy, fastest first.

    >>> frontier([(2.0, 0.5), (1.0, 0.4), (3.0, 0.45)])
    [(1.0, 0.4), (2.0, 0.5)]
    """
    best: list[tuple[float, float]] = []
    for time, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or accuracy > best[-1][1]:
            best.append((time, accuracy))
    return best


def _pareto(axes: Axes, known: Sequence[Entry]) -> None:
    runtimes = list(dict.fromkeys(entry["runtime"] for entry in known))
    bundles = list(dict.fromkeys(entry["bundle"] for entry in known))
    points = []
    for entry in known:
        found = entry["accuracy"]["metrics"][METRIC]
        time, value = _p50_ms(entry), 100 * found["value"]
        errors = [[value - 100 * found["low"]], [100 * found["high"] - value]]
        style: dict[str, Any] = {
            "color": COLOURS[runtimes.index(entry["runtime"]) % len(COLOURS)],
            "marker": MARKERS[bundles.index(entry["bundle"]) % len(MARKERS)],
        }
        label = f"{entry['bundle']} in {entry['runtime']}"
        axes.errorbar([time], [value], yerr=errors, capsize=2, markersize=6, linewidth=1, label=label, **style)
        points.append((time, value))
    axes.plot(*zip(*frontier(points), strict=True), color=GREY, linewidth=1.2, linestyle=":", zorder=0)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time per image, ms (CPU; wall in a page)")
    axes.set_ylabel("mAP, percent")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _boxes(axes: Axes, measured: Sequence[Entry]) -> None:
    shown = list(reversed(measured))  # the first one on top
    names = [f"{entry['bundle']} in {entry['runtime']}" for entry in shown]
    samples = [_samples_ms(entry) for entry in shown]
    axes.boxplot(samples, orientation="horizontal", tick_labels=names, whis=(5, 95), showfliers=False, widths=0.6)
    axes.set_xscale("log")
    axes.set_xlabel("time per image, ms (CPU; wall in a page)")


def _p50_ms(entry: Entry) -> float:
    """Return the median time of an image, by the clock of the entry."""
    figures = entry["figures"]
    return float(figures["wall_p50_ms"] if figures["cpu_p50_ms"] is None else figures["cpu_p50_ms"])


def _samples_ms(entry: Entry) -> list[float]:
    """Return every sample of both processes, per image."""
    rounds = entry["rounds"] + entry["twin_rounds"]
    if entry["figures"]["clock"] == "wall":
        return [ns / 1e6 for r in rounds for ns in r["wall_ns"]]
    return [ns / 1e6 / entry["facts"]["runs_per_call"] for r in rounds for ns in r["cpu_ns"]]


def _svg(draw: Callable[[Axes], None], title: str, height: float) -> str:
    """Draw one figure; text becomes paths, so that the page looks alike everywhere."""
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": title, "svg.fonttype": "path", "font.size": 9}):
        figure = Figure(figsize=(8.6, height), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.grid(visible=True, which="major", axis="x", alpha=0.25)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    drawing = stream.getvalue()
    drawing = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", drawing[drawing.index("<svg") :], flags=re.DOTALL)
    return drawing.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
