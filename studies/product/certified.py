"""The part on trust: what a certificate is worth on test, and how few queries a cascade must send to the cloud."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hetvs.config import EvaluateConfig
from hetvs.retrieval.certificate import KINDS
from hetvs.retrieval.certificate_judge import SACRIFICE, edge_alone, escalations
from hetvs.retrieval.intervals import Estimate, Sample, ratio
from studies.compatibility.cases import SMALL_SIZE
from studies.product.pair import MARGIN, TRUSTED, Pair
from studies.product.pairs import finished_pairs, pair_jobs, seeded
from studies.product.parts import NOTHING, Found, Part, origin_of, shown
from studies.product.plan import ProductPlanner
from studies.shared.markdown import markdown_table
from studies.shared.methods import DEFAULT
from studies.shared.paired import Columns, paired
from studies.shared.rows import MEAN, Row

PART, TRUST = "certificates", "trust"
PROMISED = (*KINDS, TRUSTED)
SHOWN = (0, 10, 20, 30, 40, 50, 100)  # percent of the queries that are escalated
ALPHA = EvaluateConfig.alpha
EDGE_ALONE = "cascade/edge alone"
BROKEN = "disagreement/{}"


def _rows(planner: ProductPlanner, part: str) -> Iterator[Row]:
    """Yield shares, disagreement and the cascade, per seed and as means over the seeds on the same queries."""
    pairs = finished_pairs(planner)
    if not pairs:
        return
    origin = origin_of(planner, part)
    labels = next(iter(pairs.values())).asked.labels
    for (method, seed), samples in paired(seeded(planner, pairs, _columns), labels).items():
        for metric, estimate in _estimates(samples):
            yield origin.row(method, seed, "q,g", metric, estimate)
    bounds = {seed: pair.facts["eps"] for seed, pair in pairs.items()}
    for seed, eps in bounds.items():
        yield origin.row(DEFAULT, seed, "q,g", "eps", Estimate(eps))
    if len(bounds) == len(planner.seeds) and None not in bounds.values():
        yield origin.row(DEFAULT, MEAN, "q,g", "eps", Estimate(float(np.mean(list(bounds.values())))))


def _columns(pair: Pair) -> Columns:
    """Return values per query of what is certified, and of the cascade at every share."""
    table = pair.asked.columns
    columns = {name: values for name, values in table.items() if name != MARGIN}
    for percent, sent in enumerate(escalations(table[MARGIN])):
        columns[f"sent/{percent}"] = sent.astype(float)
        columns[f"mixed/{percent}"] = np.where(sent, table["g,g/recall@1"], table["q,g/recall@1"])
    return columns


def _estimates(samples: dict[str, Sample]) -> Iterator[tuple[str, Estimate]]:
    for kind in PROMISED:
        yield f"certified/{kind}", samples[f"certified/{kind}"].estimate()
        wrong = ratio(samples[f"wrong/{kind}"], samples[f"certified/{kind}"], "no query is certified")
        yield BROKEN.format(kind), wrong
    mixed, sent = ([samples[f"{name}/{step}"] for step in range(101)] for name in ("mixed", "sent"))
    yield EDGE_ALONE, edge_alone(mixed, sent).estimate()
    for step in SHOWN:
        yield f"cascade/{step} %", mixed[step].estimate()


def _text(found: Found) -> list[str]:
    broken = found.get((DEFAULT, "q,g", BROKEN.format("top_1")))
    if broken is None:
        return [NOTHING]
    said = [
        f"The cascade answers {shown(found, (DEFAULT, 'q,g', EDGE_ALONE))} % of the queries on the edge alone at "
        f"the paragon's recall@1 less {100 * SACRIFICE:g} points."
    ]
    said.append(_trust(found))
    kinds = [
        [kind, *(shown(found, (DEFAULT, "q,g", name)) for name in (f"certified/{kind}", BROKEN.format(kind)))]
        for kind in PROMISED
    ]
    curve = [[str(step), shown(found, (DEFAULT, "q,g", f"cascade/{step} %"))] for step in SHOWN]
    return [
        *said,
        markdown_table(["certificate of", "certified", "of these not the cloud's answer"], kinds),
        markdown_table(["percent escalated", "recall@1"], curve),
    ]


def _trust(found: Found) -> str:
    """Say whether the certificates keep what alpha promises; of none, that there is nothing to keep."""
    place = (DEFAULT, "q,g", BROKEN.format("top_1"))
    broken, eps = found[place].value, found.get((DEFAULT, "q,g", "eps"))
    bound = "no bound" if eps is None or eps.value is None else f"a bound of {eps.value:.2f}"
    if broken is None:
        return f"With {bound} (alpha {ALPHA:g}, calibrated on val) no query is certified: the claim is empty."
    met = "is met" if broken <= ALPHA else "is not met"
    return (
        f"With {bound} {shown(found, place)} % of the certified queries have another first answer than the cloud's; at "
        f"most {100 * ALPHA:g} (alpha, calibrated on val) {met}."
    )


def _trust_text(found: Found) -> list[str]:
    """Say whether trusted answers keep what alpha promises, then all that is said of certificates."""
    broken = found.get((DEFAULT, "q,g", BROKEN.format(TRUSTED)))
    if broken is None:
        return [NOTHING]
    share = shown(found, (DEFAULT, "q,g", f"certified/{TRUSTED}"))
    if broken.value is None:
        said = "No margin of val queries keeps alpha, so no answer is trusted."
    else:
        met = "is met" if broken.value <= ALPHA else "is not met"
        said = (
            f"{share} % of the test queries have a margin that is trusted; "
            f"{shown(found, (DEFAULT, 'q,g', broken.metric))} % of their first answers are not the cloud's; at most "
            f"{100 * ALPHA:g} (alpha, calibrated on val) {met}."
        )
    return [f"The small chain (recipes `emoji-small-*`), its student at {SMALL_SIZE}.", said, *_text(found)]


CERTIFICATES = Part(
    name=PART,
    title="Certificates and the cascade",
    jobs=pair_jobs,
    rows=lambda planner: _rows(planner, PART),
    text=_text,
)
TRUSTED_ANSWERS = Part(
    name=TRUST,
    title="Answers that are trusted",
    jobs=lambda planner: pair_jobs(planner.of_small),
    rows=lambda planner: _rows(planner.of_small, TRUST),
    text=_trust_text,
    size=SMALL_SIZE,
)
