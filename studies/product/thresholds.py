"""The part on thresholds: an operating point of the paragon is kept when the query model is swapped."""

from __future__ import annotations

from collections.abc import Iterator

from studies.compatibility.cases import SMALL_SIZE
from studies.product.pair import MAPPED, OWN, RATES, UNMAPPED
from studies.product.pairs import finished_pairs, pair_jobs, seeded
from studies.product.parts import NOTHING, Found, Part, origin_of, shown
from studies.product.plan import ProductPlanner
from studies.shared.markdown import markdown_table
from studies.shared.methods import CLOUD, DEFAULT
from studies.shared.paired import paired
from studies.shared.rows import Row

PART, SERVED = "thresholds", "served"
PLACES = {OWN: (CLOUD, "g,g"), MAPPED: (f"{DEFAULT}, {MAPPED}", "q,g"), UNMAPPED: (f"{DEFAULT}, {UNMAPPED}", "q,g")}
SWAPPED = (MAPPED, UNMAPPED)
METRIC = "realised fpir={:g}"


def _rows(planner: ProductPlanner, part: str) -> Iterator[Row]:
    """Yield the FPIR on test of the paragon's threshold, mapped for the pair or not, and how far it is off."""
    pairs = finished_pairs(planner)
    if not pairs:
        return
    origin = origin_of(planner, part)
    labels = next(iter(pairs.values())).unmated.labels
    for (_, seed), samples in paired(seeded(planner, pairs, lambda pair: pair.unmated.columns), labels).items():
        for rate in RATES:
            own = samples[f"{OWN}/{rate:g}"]
            for name, place in PLACES.items():
                sample = samples[f"{name}/{rate:g}"]
                yield origin.row(place[0], seed, place[1], METRIC.format(rate), sample.estimate())
                if name in SWAPPED:
                    metric = f"difference/{METRIC.format(rate)}"
                    yield origin.row(place[0], seed, place[1], metric, (sample - own).estimate())


def _text(found: Found) -> list[str]:
    measured = [rate for rate in RATES if (*PLACES[OWN], METRIC.format(rate)) in found]
    header = ["percent on val", "paragon on test", *SWAPPED, *(f"{name} less paragon" for name in SWAPPED)]
    if not measured:
        return [NOTHING]
    return [*(_sentence(found, rate) for rate in measured), markdown_table(header, [_line(found, r) for r in measured])]


def _sentence(found: Found, rate: float) -> str:
    """Say whether the rate that the pair realises lies in the interval of the paragon's, mapped and unmapped."""
    own = found[*PLACES[OWN], METRIC.format(rate)]
    said = []
    for name in SWAPPED:
        inside = _is_inside(found[*PLACES[name], METRIC.format(rate)], own)
        said.append(f"{name} {'inside' if inside else 'outside'}")
    accepted = shown(found, (*PLACES[OWN], METRIC.format(rate)))
    return (
        f"The paragon's threshold for {100 * rate:g} % of val queries in this gallery accepts {accepted} % of the "
        f"unmated queries of test; the rate of the pair lies of that interval {' and '.join(said)}."
    )


def _is_inside(row: Row, other: Row) -> bool:
    """Say whether a row's value lies in the interval of another; one without an interval holds nothing."""
    if row.value is None or other.lower is None or other.upper is None:
        return False
    return other.lower <= row.value <= other.upper


def _line(found: Found, rate: float) -> list[str]:
    metric = METRIC.format(rate)
    rates = [shown(found, (*place, metric)) for place in PLACES.values()]
    apart = [shown(found, (*PLACES[name], f"difference/{metric}"), signed=True) for name in SWAPPED]
    return [f"{100 * rate:g}", *rates, *apart]


THRESHOLDS = Part(
    name=PART,
    title="Thresholds that survive a swap",
    jobs=pair_jobs,
    rows=lambda planner: _rows(planner, PART),
    text=_text,
)
SMALL_THRESHOLDS = Part(
    name=SERVED,
    title=f"Thresholds that survive a swap: the small chain, its student at {SMALL_SIZE}",
    jobs=lambda planner: pair_jobs(planner.of_small),
    rows=lambda planner: _rows(planner.of_small, SERVED),
    text=_text,
    size=SMALL_SIZE,
)
