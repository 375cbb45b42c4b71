"""The benchmark as one self-contained HTML page: what report.json holds, and no number besides."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from edge_bench.plots import latency_svg, pareto_svg

TEMPLATES = Path(__file__).parent / "templates"
MIB = 2**20


def render(document: dict[str, Any]) -> str:
    """Return the page of a report's JSON; it holds its plots and needs no network.

    Raises ConfigError where matplotlib, which draws the plots, is missing.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"digits": digits, "percent": percent, "mib": mib}
    measured = [entry for entry in document["results"] if entry["figures"] is not None]
    return environment.get_template("bench.html.j2").render(
        document=document,
        measured=measured,
        refused=[entry for entry in document["results"] if entry["figures"] is None],
        pareto=pareto_svg(measured),
        latency=latency_svg(measured),
    )


def digits(value: float | None, count: int = 3) -> str:
    """Return a number with at least `count` significant digits and no exponent, – where there is none.

    >>> digits(0.025231), digits(39.73), digits(5338.2), digits(0.0), digits(None)
    ('0.0252', '39.7', '5338', '0.00', '–')
    """
    if value is None:
        return "–"
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(0, count - 1 - magnitude)}f}"


def percent(value: float | None) -> str:
    """Return a share in percent, with one decimal.

    >>> percent(0.3649), percent(None)
    ('36.5', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}"


def mib(value: float | None) -> str:
    """Return bytes in MiB.

    >>> mib(3 * 2**19)
    '1.50'
    """
    return digits(None if value is None else value / MIB)
