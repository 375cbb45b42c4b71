"""The sentences of the page: what the study promised to say, from the rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.rules import verdict
from hetvs.retrieval.words import metric_name, percent
from studies.compatibility.costs import BYTES, CPU_MS
from studies.compatibility.lookup import Lookup, Place
from studies.shared.contest import COMPARED
from studies.shared.methods import BEHIND, CLOUD, CONTROL, DEFAULT, LEAD, difference_of

RIVALS = ("influence alone", "anchor")
ENOUGH = 0.95  # of the paragon


def findings(found: Lookup, headline: Mapping[str, str]) -> list[str]:
    """Return the sentences of each data set: under its headline protocol all of them, under others the rule."""
    parts = ["## What it says"]
    for dataset, protocol in headline.items():
        sentences = [*_paragon(found, dataset, protocol), *_per_size(found, dataset, protocol)]
        sentences += [*_gains(found, dataset, protocol), *_control(found, dataset, protocol)]
        sentences += _smallest(found, dataset, protocol)
        if sentences:
            parts += [f"**{dataset.capitalize()}, protocol {protocol}**", _listed(sentences)]
        for other in found.protocols(dataset):
            sentences = list(_rule_alone(found, dataset, other)) if other != protocol else []
            if sentences:
                parts += [f"**{dataset.capitalize()}, protocol {other}**", _listed(sentences)]
    return parts


def _listed(sentences: list[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _paragon(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    """Say what the cloud model scores, and how far it is above the same small network trained alone."""
    scores = _known(found, Place(dataset, protocol, "1", CLOUD), "g,g")
    if scores:
        yield f"The paragon: {_each(scores, '%')}."
    for size in found.ablated(dataset, protocol):
        leads = _known(found, Place(dataset, protocol, size, LEAD), "base,base", "difference/")
        if leads:
            yield f"The paragon less the network of {size} trained alone: {_each(leads, 'points', signed=True)}."


def _per_size(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    """Say of each size whether the rule holds, what is kept of the paragon, and how many points are lost."""
    for place in found.by_default(dataset, protocol):
        words = [_rule(found, place)]
        kept = _known(found, place, "q,g", "retention/")
        words += [f"retention {_each(kept, '%')}"] if kept else []
        lost = _known(found, Place(dataset, protocol, place.size, BEHIND), "q,g", "difference/")
        words += [f"M(q,g) less the paragon {_each(lost, 'points', signed=True)}"] if lost else []
        yield f"At {place.size}: {'; '.join(words)}."


def _rule_alone(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    for place in found.by_default(dataset, protocol):
        yield f"At {place.size}: {_rule(found, place)}."


def _rule(found: Lookup, place: Place) -> str:
    words = []
    for metric in COMPARED:
        rule = found.estimate(place, f"rule/{metric}", "q,g")
        words.append(f"the rule {_verb(verdict(rule))} in {metric_name(metric)} ({percent(rule, signed=True)} points)")
    return ", ".join(words)


def _gains(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    """Say whether the default beats each rival, by the paired interval of the difference."""
    said = {"holds": "The default loss beats", "does not hold": "The default loss falls short of"}
    for size in found.ablated(dataset, protocol):
        for rival in RIVALS:
            place = Place(dataset, protocol, size, difference_of(DEFAULT, rival))
            for metric, gain in _known(found, place, "q,g", "difference/").items():
                head = said.get(verdict(gain), "It is not settled whether the default loss beats")
                points = f"{percent(gain, signed=True)} points of M(q,g)"
                yield f"{head} {rival} at {size} in {metric_name(metric)}: {points}."


def _control(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    """Say what a loss finds in the cloud model's gallery that is not anchored to its space."""
    for size in found.ablated(dataset, protocol):
        scores = _known(found, Place(dataset, protocol, size, CONTROL), "q,g")
        if scores:
            yield f"The control, {CONTROL}, at {size}: M(q,g) {_each(scores, '%')}."


def _smallest(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    """Name the smallest student that keeps enough, or say how near the best one comes, in each metric."""
    for metric in COMPARED:
        kept = {p: found.estimate(p, f"retention/{metric}", "q,g") for p in found.by_default(dataset, protocol)}
        known = [place for place, estimate in kept.items() if estimate.value is not None]
        enough = [place for place in known if (kept[place].value or 0) >= ENOUGH]
        name = f"retention of {metric_name(metric)}"
        if enough:
            place = enough[-1]  # the dearest stand first
            yield f"The smallest student with a {name} of at least {ENOUGH:.0%}: {place.size}, {_costs(found, place)}."
        elif known:
            best = max(known, key=lambda place: kept[place].value or 0)
            yield f"No student has a {name} of {ENOUGH:.0%}; the nearest is {best.size} with {percent(kept[best])} %."


def _costs(found: Lookup, place: Place) -> str:
    macs, size, cpu = found.macs(place), found.cost(place, BYTES).value, found.cost(place, CPU_MS).value
    parts = [f"{macs:,} MACs" if macs is not None else "", f"{size:,.0f} bytes" if size is not None else ""]
    return ", ".join(filter(None, [*parts, f"{cpu:.3f} ms of CPU time" if cpu is not None else ""]))


def _known(found: Lookup, place: Place, pair: str, measure: str = "") -> dict[str, Estimate]:
    """Return what is known at a place by metric: the metric itself, or a measure of it such as "retention/"."""
    estimates = {metric: found.estimate(place, f"{measure}{metric}", pair) for metric in COMPARED}
    return {metric: estimate for metric, estimate in estimates.items() if estimate.value is not None}


def _each(estimates: Mapping[str, Estimate], unit: str, *, signed: bool = False) -> str:
    """Return metrics with their numbers.

    >>> _each({"map": Estimate(0.125, 0.1, 0.15)}, "points", signed=True)
    'mAP +12.5 [+10.0, +15.0] points'
    """
    return ", ".join(f"{metric_name(name)} {percent(of, signed=signed)} {unit}" for name, of in estimates.items())


def _verb(judged: str) -> str:
    return "is inconclusive" if judged == "inconclusive" else judged
