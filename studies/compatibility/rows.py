"""From a contest to rows: the columns as they are, and everything that compares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hetvs.retrieval import rules
from hetvs.retrieval.intervals import Estimate, Sample
from studies.shared.cases import Case
from studies.shared.contest import COMPARED, Contest
from studies.shared.methods import BASELINE, BEHIND, CLOUD, DEFAULT, LEAD, difference_of, role_of
from studies.shared.paired import Seed
from studies.shared.rows import MEAN, Origin, Row


@dataclass(frozen=True)
class Rows:
    """Makes the rows of a contest; `study` and `command` (of a case) are what a row says of its origin."""

    study: str
    module: str
    contest: Contest
    macs: dict[Case, int]

    def all(self) -> Iterator[Row]:
        """Yield every row: columns as they are, what compares cells, what compares the default with a method."""
        for (case, seed), samples in self.contest.samples.items():
            estimates = {name: sample.estimate() for name, sample in samples.items()}
            if role_of(case.method) == "student":
                estimates |= self._compared(case, seed)
            for name, estimate in estimates.items():
                yield self._row(case, case.method, seed, name, estimate)
            yield from self._differences(case, seed)
            yield from self._from_paragon(case, seed)

    def _compared(self, case: Case, seed: Seed) -> dict[str, Estimate]:
        """Return rule, retention and recovery of a student."""
        samples, cloud, baseline = (self._of(case, method, seed) for method in (case.method, CLOUD, BASELINE))
        found = {}
        for metric in COMPARED:
            q_g, g_g = samples[f"q,g/{metric}"], cloud[f"g,g/{metric}"]
            found[f"q,g/rule/{metric}"] = rules.heterogeneous_rule(q_g, samples[f"q,q/{metric}"]).difference
            found[f"q,g/retention/{metric}"] = rules.retention(q_g, g_g)
            if baseline:
                found[f"q,g/recovery/{metric}"] = rules.recovery(q_g, baseline[f"base,base/{metric}"], g_g)
        return found

    def _differences(self, case: Case, seed: Seed) -> Iterator[Row]:
        """Yield M(q,g) of the default less that of another student of its size."""
        default = self._of(case, DEFAULT, seed)
        if case.method == DEFAULT or role_of(case.method) != "student" or not default:
            return
        for metric in COMPARED:
            name = f"q,g/{metric}"
            difference = default[name] - self.contest.samples[case, seed][name]
            method = difference_of(DEFAULT, case.method)
            yield self._row(case, method, seed, f"q,g/difference/{metric}", difference.estimate())

    def _from_paragon(self, case: Case, seed: Seed) -> Iterator[Row]:
        """Yield M(q,g) of the default less the paragon, and the paragon less M(base,base)."""
        if case.method not in (DEFAULT, BASELINE):
            return
        samples, cloud = self.contest.samples[case, seed], self._of(case, CLOUD, seed)
        for metric in COMPARED:
            paragon = cloud[f"g,g/{metric}"]
            if case.method == DEFAULT:
                pair, method, difference = "q,g", BEHIND, samples[f"q,g/{metric}"] - paragon
            else:
                pair, method, difference = "base,base", LEAD, paragon - samples[f"base,base/{metric}"]
            yield self._row(case, method, seed, f"{pair}/difference/{metric}", difference.estimate())

    def _of(self, case: Case, method: str, seed: Seed) -> dict[str, Sample]:
        """Return the samples of a method at the size of `case`, of the one cloud model; none where it is not done."""
        if method == CLOUD:
            return self.contest.samples[Case(case.dataset, "1", CLOUD), MEAN]
        return self.contest.samples.get((Case(case.dataset, case.size, method), seed), {})

    def _row(self, case: Case, method: str, seed: Seed, name: str, estimate: Estimate) -> Row:
        pair, metric = name.split("/", 1)
        origin = origin_of(self.study, self.module, case, self.contest.protocol)
        return origin.row(method, seed, pair, metric, estimate, self.macs[case])


def origin_of(study: str, module: str, case: Case, protocol: str) -> Origin:
    """Return what the rows of a case share; the command makes them again. Costs have no protocol."""
    return Origin(
        study=study,
        dataset=case.dataset.known_as,
        protocol=protocol,
        size=case.size,
        command=f"python -m {module} --only {case.name}",
    )
