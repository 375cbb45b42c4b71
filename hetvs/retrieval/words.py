"""A report in words: percent, names, one plain sentence per verdict."""

from __future__ import annotations

from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.report import Judgement, Report, Setup
from hetvs.retrieval.rules import Rule

RULE_METRIC = "map"  # the one that `--check` and the sentences speak of
CLASS_SETS = {
    "open": "open set: no judged class was seen in training",
    "closed": "closed set: judged classes were seen in training",
    "unknown": "open or closed set unknown: the manifest has no train row",
}
METRIC_NAMES = {
    "map": "mAP",
    "map@r": "mAP@R",
    "cosine": "cosine",
    "overlap@10": "overlap@10",
    "top_1_agreement": "top-1 agreement",
}


def metric_name(key: str) -> str:
    """Return how a metric is printed.

    >>> metric_name("map"), metric_name("recall@5")
    ('mAP', 'recall@5')
    """
    return METRIC_NAMES.get(key, key)


def percent(estimate: Estimate, *, signed: bool = False) -> str:
    """Return a number and its interval in percent; an undefined one is a dash.

    >>> percent(Estimate(0.5, 0.25, 0.75))
    '50.0 [25.0, 75.0]'
    >>> percent(Estimate(0.125, 0.1, 0.15), signed=True), percent(Estimate(None, reason="no baseline is given"))
    ('+12.5 [+10.0, +15.0]', '–')
    """
    if estimate.value is None:
        return "–"
    sign = "+" if signed else ""
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        interval = f" [{100 * estimate.low:{sign}.1f}, {100 * estimate.high:{sign}.1f}]"
    return f"{100 * estimate.value:{sign}.1f}{interval}"


def verdict_sentence(report: Report, judgement: Judgement) -> str:
    """Say whether the query model gains from the gallery model's index, on mAP; then where another metric disagrees."""
    q, g = judgement.query, judgement.gallery
    rule = judgement.rule[RULE_METRIC]
    cross = percent(Estimate(report.cell(q, g)[RULE_METRIC]))
    alone = percent(Estimate(report.cell(q, q)[RULE_METRIC]))
    heads = {
        "holds": f"Queries of {q} find more in the gallery of {g} than in one of their own",
        "does not hold": f"Queries of {q} find less in the gallery of {g} than in one of their own",
        "inconclusive": f"It is not settled whether queries of {q} find more in the gallery of {g} "
        "than in one of their own",
    }
    difference = percent(rule.difference, signed=True)
    others = [
        f" On {metric_name(metric)} it {verb(other)}: {percent(other.difference, signed=True)} points."
        for metric, other in judgement.rule.items()
        if other.verdict != rule.verdict
    ]
    return f"{heads[rule.verdict]}: mAP {cross} against {alone}, a difference of {difference} points.{''.join(others)}"


def gains_sentence(judgement: Judgement) -> str:
    """Say how near the paragon the query model comes, on mAP."""
    kept = judgement.retention[RULE_METRIC]
    won = judgement.recovery[RULE_METRIC]
    first = f"Retention {percent(kept)} %" if kept.value is not None else f"Retention is undefined: {kept.reason}"
    second = f"recovery {percent(won)} %" if won.value is not None else f"recovery is undefined: {won.reason}"
    notes = "".join(f" ({e.reason})" for e in (kept, won) if e.value is not None and e.reason)
    return f"{first}; {second}{notes}."


def flips_sentence(judgement: Judgement) -> str:
    """Say how many answers are lost and won when the query model asks instead of the gallery model."""
    flips = judgement.flips
    return (
        f"At rank {flips.k}, {percent(flips.nfr)} % of the queries are right for {judgement.gallery} and wrong for "
        f"{judgement.query} (NFR), {percent(flips.pfr)} % the reverse (PFR); McNemar p {p_value(flips.mcnemar_p)}."
    )


def setup_sentence(s: Setup) -> str:
    """Say what was judged: protocol, sizes, open or closed set, resampling."""
    return (
        f"Protocol {s.protocol}, {s.split} split: {s.description}. {s.queries:,} queries"
        f"{f' ({s.skipped:,} skipped)' if s.skipped else ''}, {s.images:,} images, {s.classes.judged:,} classes; "
        f"{CLASS_SETS[s.classes.verdict]}. Intervals: 95 %, {s.draws:,} bootstrap draws "
        f"of {s.resampled}, seed {s.seed}."
    )


def p_value(p: float) -> str:
    """Return a p value as printed.

    >>> p_value(0.0004), p_value(0.25)
    ('< 0.001', '0.250')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verb(rule: Rule) -> str:
    """Return a verdict as the verb of a sentence."""
    return f"is {rule.verdict}" if rule.verdict == "inconclusive" else rule.verdict
