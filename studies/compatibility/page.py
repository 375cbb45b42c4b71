"""docs/results.md: the rows of the study as tables and sentences; every number comes from a row."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hetvs.files import write_text
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.words import metric_name, percent
from studies.compatibility.costs import CPU_MS, LATENCY_RATIO
from studies.compatibility.findings import findings
from studies.compatibility.lookup import Lookup, Place
from studies.shared.contest import COMPARED, NFR
from studies.shared.markdown import markdown_table
from studies.shared.methods import BASELINE, DEFAULT, difference_of, role_of
from studies.shared.rows import Row
from studies.shared.tables import LETTER

HEADER = (
    *("method", "size", "M(q,g)", "M(q,q)", "M(g,g)", "retention", "recovery", "rule M(q,g) - M(q,q)"),
    *(NFR, "overlap@10", "MACs", "cloud's CPU time / its own", "seeds M(q,g)"),
)
LEGEND = (
    "Percent, mean over the seeds, with 95 % intervals of a bootstrap over the classes of the test images. q is the "
    "model of the line, g the cloud model, M(g,g) the paragon. A line of the baseline shows M(base,g), a control, and "
    "M(base,base). Retention is M(q,g) / M(g,g); recovery is 0 for the baseline and 1 for the paragon; the rule "
    f"holds where its interval is above zero. {NFR}: queries that the cloud model gets right and the student does "
    "not. The last column holds the single seeds. A dash: undefined, or not measured. A protocol with a "
    "condition after its name is a slice: the queries that meet it, on the same gallery. What is judged under C was "
    "trained without the domains that ask there."
)


def write_page(path: Path, rows: Iterable[Row], headline: Mapping[str, str], host: Mapping[str, Any]) -> None:
    """Write the page of one study; `headline` is the protocol by data set that the sentences speak of."""
    found = Lookup(rows)
    parts = ["# Results", _setup(host), *findings(found, headline), "## How to read the tables", LEGEND]
    for dataset, protocol in headline.items():
        if found.methods(dataset, protocol):
            parts += _dataset(found, dataset, protocol)
    write_text(path, "\n\n".join(parts) + "\n")


def _setup(host: Mapping[str, Any]) -> str:
    return (
        f"Written by `make reproduce` on {time.strftime('%Y-%m-%d')} ({host['cpu']}, {host['cores']} cores, "
        f"{host['system']}, Python {host['python']}) from [results.json](results.json), which holds every number here "
        "and those of every seed. Retrieval is measured through the exported ONNX files, on classes that no model "
        "was trained on. A row that was not measured in this go is "
        "that of an earlier one.\n\n![Accuracy against cost](accuracy-cost.png)"
    )


def _dataset(found: Lookup, dataset: str, headline: str) -> list[str]:
    """Return the sections of one data set: by method, by size under every protocol, the cloud model itself."""
    parts = []
    for size in found.ablated(dataset, headline):
        places = [place for s in ("1", size) for place in found.methods(dataset, headline, s)]
        parts += [f"## {dataset.capitalize()} at {size}, by method (protocol {headline})"]
        parts += [_command(found, places, f"{size.replace('/', '-')}-*"), *_tables(found, places)]
        parts += [
            "What the default gains over each method, in points of M(q,g):",
            _gains(found, dataset, headline, size),
        ]
    for protocol in found.protocols(dataset):
        sizes = [p for p in found.methods(dataset, protocol) if p.method in (DEFAULT, BASELINE)]
        parts += [f"## {dataset.capitalize()} by size, protocol {protocol}", _command(found, sizes, "*")]
        parts += _tables(found, sizes)
    clouds = [p for p in found.methods(dataset, headline) if role_of(p.method) == "cloud"]
    if len(clouds) > 1:
        parts += [f"## {dataset.capitalize()}: what the cloud model's cost buys", _command(found, clouds, "1*-cloud*")]
        parts += _tables(found, clouds)
    return parts


def _command(found: Lookup, places: Sequence[Place], pattern: str) -> str:
    """Return the command that makes a table again: that of its first line, for every case of `pattern`."""
    command = next((found.command(place) for place in places), "")
    program, _, case = command.rpartition(" ")
    return f"`{program} '{case.partition('/')[0]}/{pattern}'`" if command else ""


def _tables(found: Lookup, places: Sequence[Place]) -> list[str]:
    """Return a titled table per metric."""
    tables = []
    for metric in COMPARED:
        lines = [_line(found, place, metric) for place in places]
        tables += [f"**{metric_name(metric)}**", markdown_table(HEADER, lines)]
    return tables


def _line(found: Lookup, place: Place, metric: str) -> list[str]:
    q = LETTER[role_of(place.method)]

    def shown(metric: str, pair: str, *, signed: bool = False) -> str:
        return percent(found.estimate(place, metric, pair), signed=signed)

    paragon = found.paragon(place.dataset, place.protocol, metric)
    if q == "g":  # a cloud model of any resolution is its own
        paragon = found.estimate(place, metric, "g,g")
    return [
        place.method,
        place.size,
        shown(metric, f"{q},g") if q != "g" else "–",
        shown(metric, f"{q},{q}") if q != "g" else "–",
        percent(paragon),
        shown(f"retention/{metric}", "q,g"),
        shown(f"recovery/{metric}", "q,g"),
        shown(f"rule/{metric}", "q,g", signed=True),
        shown(NFR, "q,g"),
        shown("overlap@10", "q,g"),
        millions(found.macs(place)),
        times(found.cost(place, LATENCY_RATIO)) if found.cost(place, CPU_MS).value is not None else "–",
        " ".join(f"{100 * value:.1f}" for value in found.seeds(place, metric, f"{q},g")) or "–",
    ]


def _gains(found: Lookup, dataset: str, protocol: str, size: str) -> str:
    """Return the differences of the default and every other student, with the spread over single seeds."""
    lines = []
    for place in found.methods(dataset, protocol, size):
        gains = Place(dataset, protocol, size, difference_of(DEFAULT, place.method))
        cells = []
        for metric in COMPARED:
            name = f"difference/{metric}"
            seeds = " ".join(f"{100 * value:+.1f}" for value in found.seeds(gains, name, "q,g"))
            cells += [percent(found.estimate(gains, name, "q,g"), signed=True), seeds]
        if any(cells[1::2]):
            lines.append([place.method, *cells])
    names = [text for metric in COMPARED for text in (metric_name(metric), "seeds")]
    return markdown_table(["default less", *names], lines)


def millions(macs: int | None) -> str:
    """Return MACs as printed.

    >>> millions(1_840_000), millions(None)
    ('1.84 M', '–')
    """
    return "–" if macs is None else f"{macs / 1e6:.3g} M"


def times(ratio: Estimate) -> str:
    """Return a ratio of CPU times with its spread over the rounds; the benchmark calls an undefined one INVALID.

    >>> times(Estimate(40.25, 39.0, 41.0)), times(Estimate(None))
    ('40.2 [39.0, 41.0]', 'INVALID')
    """
    return "INVALID" if ratio.value is None else f"{ratio.value:.1f} [{ratio.low:.1f}, {ratio.high:.1f}]"
