"""The sentences of the page: what the study promised to say, from the rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hetvs.retrieval.rules import verdict
from hetvs.retrieval.words import metric_name, percent
from studies.costs import BYTES, CPU_MS
from studies.lookup import Lookup, Place
from studies.measure import COMPARED, difference_of

RIVALS = ("influence alone", "anchor")
ENOUGH = 0.95  # of the paragon


def findings(found: Lookup, headline: Mapping[str, str]) -> list[str]:
    """Return the sentences: gains over the rivals, rule and retention per size, the smallest student."""
    parts = ["## What it says"]
    for dataset, protocol in headline.items():
        sentences = [*_gains(found, dataset, protocol), *_per_size(found, dataset, protocol)]
        sentences += [_smallest(found, dataset, protocol, metric) for metric in COMPARED]
        if found.by_default(dataset, protocol):
            parts += [f"**{dataset.capitalize()}, protocol {protocol}**", "\n".join(f"- {s}" for s in sentences)]
    return parts


def _gains(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    """Say whether the default beats each rival, by the paired interval of the difference."""
    said = {"holds": "The default loss beats", "does not hold": "The default loss falls short of"}
    for size in found.ablated(dataset, protocol):
        for rival in RIVALS:
            place = Place(dataset, protocol, size, difference_of(rival))
            for metric in COMPARED:
                gain = found.estimate(place, f"difference/{metric}", "q,g")
                if gain.value is not None:
                    head = said.get(verdict(gain), "It is not settled whether the default loss beats")
                    points = f"{percent(gain, signed=True)} points of M(q,g)"
                    yield f"{head} {rival} at {size} in {metric_name(metric)}: {points}."


def _per_size(found: Lookup, dataset: str, protocol: str) -> Iterator[str]:
    for place in found.by_default(dataset, protocol):
        words = []
        for metric in COMPARED:
            rule = found.estimate(place, f"rule/{metric}", "q,g")
            kept = found.estimate(place, f"retention/{metric}", "q,g")
            name = metric_name(metric)
            words.append(f"the rule {_verb(verdict(rule))} in {name} ({percent(rule, signed=True)} points)")
            words.append(f"retention of {name} {percent(kept)} %")
        yield f"At {place.size}: {', '.join(words)}."


def _smallest(found: Lookup, dataset: str, protocol: str, metric: str) -> str:
    """Name the smallest student that keeps enough, or say how near the best one comes."""
    kept = {p: found.estimate(p, f"retention/{metric}", "q,g") for p in found.by_default(dataset, protocol)}
    known = [place for place, estimate in kept.items() if estimate.value is not None]
    enough = [place for place in known if (kept[place].value or 0) >= ENOUGH]
    name = f"retention of {metric_name(metric)}"
    if enough:
        place = enough[-1]  # the dearest stand first
        return f"The smallest student with a {name} of at least {ENOUGH:.0%}: {place.size}, {_costs(found, place)}."
    if not known:
        return f"No {name} is known yet."
    best = max(known, key=lambda place: kept[place].value or 0)
    return f"No student has a {name} of {ENOUGH:.0%}; the nearest is {best.size} with {percent(kept[best])} %."


def _costs(found: Lookup, place: Place) -> str:
    macs, size, cpu = found.macs(place), found.cost(place, BYTES).value, found.cost(place, CPU_MS).value
    parts = [f"{macs:,} MACs" if macs is not None else "", f"{size:,.0f} bytes" if size is not None else ""]
    return ", ".join(filter(None, [*parts, f"{cpu:.3f} ms of CPU time" if cpu is not None else ""]))


def _verb(judged: str) -> str:
    return "is inconclusive" if judged == "inconclusive" else judged
