"""What the finished jobs of the search study say: scores, and who is above whom, on one bootstrap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from hetvs.artifacts import EdgeBundle
from hetvs.errors import ArtifactError
from hetvs.files import read_json
from hetvs.retrieval.intervals import Estimate, Sample
from hetvs.retrieval.rules import heterogeneous_rule
from studies.compatibility.cases import SMALL_SIZE
from studies.search.methods import (
    ANCHORED,
    CHEAPER,
    FAITHFUL,
    HAND_PICKED,
    HELD,
    LATENCY,
    PREVIOUS,
    RANDOM,
    RETRAINED,
    UNTAUGHT,
)
from studies.search.plan import NAME, TABLE, SearchPlanner
from studies.shared.contest import COMPARED as METRICS
from studies.shared.methods import difference_of
from studies.shared.paired import Columns, Seed, paired, with_means
from studies.shared.rows import MEAN, Origin, Row
from studies.shared.tables import Table, load

SCORES = tuple(f"q,{side}/{metric}" for side in "gq" for metric in METRICS)
CONTROLS = (RANDOM, *HAND_PICKED)
PAIRS = (  # who is to be above whom
    *((above, below) for above in (*FAITHFUL, ANCHORED) for below in CONTROLS),
    *((above, FAITHFUL[0]) for above in FAITHFUL[1:]),
    (ANCHORED, RETRAINED),
    (RETRAINED, RANDOM),
    *((UNTAUGHT, below) for below in HAND_PICKED),
    LATENCY,
    *((point, PREVIOUS) for point in (*FAITHFUL, ANCHORED, *CHEAPER, RETRAINED, *LATENCY)),
)
Key = tuple[str, Seed]  # method and seed


@dataclass(frozen=True)
class Found:
    """A judged network: method and seed, MACs, and its columns per query."""

    key: Key
    macs: int
    table: Table


def rows_of(planner: SearchPlanner, module: str) -> list[Row]:
    """Return the rows of everything that is finished; a method has a mean when all its seeds are there."""
    protocol, dataset = planner.dataset.protocols[0], planner.dataset.known_as
    done = [one for one in planner.contenders() if one.columns.state() == "done"]
    found = [
        Found((c.method, c.seed), EdgeBundle.load(c.bundle).card.macs, load(c.columns.output)[protocol]) for c in done
    ]
    macs = {one.key[0]: one.macs for one in found}

    def row(method: str, seed: Seed, name: str, estimate: Estimate) -> Row:
        pair, _, metric = name.rpartition("|")
        origin = Origin(
            study=NAME,
            dataset=dataset,
            protocol=protocol if pair else "",
            size=SMALL_SIZE,
            command=f"python -m {module}",
        )
        return origin.row(method, seed, pair, metric, estimate, macs.get(method.partition(" - ")[0]))

    judged = _judged(found, len(planner.seeds)) if found else iter(())
    return [row(*each) for each in (*judged, *_facts(planner))]


def _judged(found: Sequence[Found], seeds: int) -> Iterator[tuple[str, int | str, str, Estimate]]:
    """Yield method, seed, "pair|metric" and the estimate of every score, rule and difference."""
    samples = _samples(found, seeds)
    for (method, seed), columns in samples.items():
        for metric in METRICS:
            q_g, q_q = columns[f"q,g/{metric}"], columns[f"q,q/{metric}"]
            yield method, seed, f"q,g|{metric}", q_g.estimate()
            yield method, seed, f"q,q|{metric}", q_q.estimate()
            yield method, seed, f"q,g|rule/{metric}", heterogeneous_rule(q_g, q_q).difference
    for above, below in PAIRS:
        for seed in (seed for method, seed in samples if method == above and (below, seed) in samples):
            for metric in METRICS:
                ours, theirs = (samples[method, seed][f"q,g/{metric}"] for method in (above, below))
                yield difference_of(above, below), seed, f"q,g|difference/{metric}", (ours - theirs).estimate()


def _samples(found: Sequence[Found], seeds: int) -> dict[Key, dict[str, Sample]]:
    """Return the means of every column of every network, and of a method over its seeds: all paired."""
    first = found[0].table
    if any(one.table.ids != first.ids for one in found):
        raise ArtifactError(f"{NAME}: networks were judged on different queries; delete their columns and run again")
    columns: dict[Key, Columns] = {one.key: {name: one.table.columns[name] for name in SCORES} for one in found}
    return paired(with_means(columns, {method: seeds for method, _ in columns}), first.labels)


def _facts(planner: SearchPlanner) -> Iterator[tuple[str, int | str, str, Estimate]]:
    """Yield the single numbers: error of the latency table, tau, hours of a search, family, measured latency."""
    table, proxy, front, first = planner.table(), planner.proxy(), planner.front(), planner.seeds[0]
    if table.state() == "done":
        error = read_json(table.output / TABLE.whole)["median_error"]
        yield "latency table", MEAN, "median_error", Estimate(error)
    if proxy.state() == "done":
        yield ANCHORED, MEAN, "kendall_tau", Estimate(**read_json(proxy.output / proxy.kind.whole)["tau"])
    for reward in (*FAITHFUL, ANCHORED):
        search = planner.search(reward, first)
        if search.state() == "done" and search.seconds is not None:
            yield reward, first, "search_hours", Estimate(search.seconds / 3600)
    for method, seed in product((ANCHORED, HELD), planner.seeds):
        search = planner.search(method, seed)
        if search.state() == "done":
            family = read_json(search.output / "family.json")
            yield method, seed, "family_satisfied", Estimate(family["satisfied"])
            yield method, seed, "family_shown", Estimate(family["shown"])
    if front.state() == "done":
        methods = {str(bundle): method for method, (bundle, _) in planner.timed().items()}
        for result in read_json(front.output / front.kind.whole)["results"]:
            found = methods.get(result["folder"])
            if found and result["figures"]:
                ratio = result["figures"]["ratio"]
                yield found, first, "latency_ratio", Estimate(ratio["median"], ratio["p10"], ratio["p90"])
