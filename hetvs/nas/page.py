"""The page of a search: one file with its plot inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hetvs.files import write_json, write_text
from hetvs.nas.candidate import Candidate, best_of, front_of
from hetvs.nas.family import Family
from hetvs.nas.proxy import WARN_BELOW, Pairing
from hetvs.nas.results import png_base64, write_plot, write_tables
from hetvs.retrieval.intervals import Estimate
from hetvs.retrieval.page import rendered

REWARD_NAMES = {
    "R1": "M(q,q)",
    "R2": "M(q,g)",
    "R3": "M(q,q) M(q,g)",
    "R4": "M(q,g), by measured latency",
    "R5": "mean cosine to the cloud",
    "R6": "M of the worst ordered pair",
    "R7": "M(q,g) after int8",
}


@dataclass(frozen=True)
class Proxy:
    """Kendall's tau between supernet and stand-alone scores, and what it is of."""

    tau: Estimate
    pairings: tuple[Pairing, ...]

    @property
    def is_weak(self) -> bool:
        """True when a winner of the search is no evidence: tau is unknown or below 0.5."""
        return self.tau.value is None or self.tau.value < WARN_BELOW


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the page says of the search beside its candidates."""

    reward: str
    cost: str
    command: str
    space_id: str
    hypervolume: float
    latency_error: float | None = None
    proxy: Proxy | None = None
    family: Family | None = None


def write_results(folder: Path, candidates: Sequence[Candidate], facts: Facts) -> None:
    """Write the tables, best.json, family.json and proxy.json where they are known, front.png, and report.html last."""
    write_tables(folder, candidates)
    if facts.family:
        write_json(folder / "family.json", facts.family.to_json())
    if facts.proxy:
        write_json(folder / "proxy.json", asdict(facts.proxy))
    write_plot(folder / "front.png", candidates, REWARD_NAMES[facts.reward], facts.cost)
    page = rendered(
        "search.html.j2",
        facts=facts,
        reward=REWARD_NAMES[facts.reward],
        judged=sum(one.state == "judged" for one in candidates),
        looked_at=len(candidates),
        best=best_of(candidates),
        front=front_of(candidates),
        plot=png_base64(folder / "front.png"),
    )
    write_text(folder / "report.html", page)
