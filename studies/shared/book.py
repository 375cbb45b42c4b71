"""Jobs of one folder of runs, and the steps that every plan takes: fetch, export, embed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studies.shared.cases import Dataset
from studies.shared.jobs import Job, Kind
from studies.shared.tables import CARD as COLUMNS_CARD

KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="data", whole="manifest.csv", goes_on="", owns=False),
        Kind(name="train", whole="card.json", goes_on="--resume", threaded=True),
        Kind(name="fuse", whole="card.json"),
        Kind(name="bundles", whole="card.json"),
        Kind(name="vectors", whole="space.json", threaded=True),
        Kind(name="columns", whole=COLUMNS_CARD, threaded=True),
        Kind(name="bench", whole="report.json", alone=True),
    )
}
RUNS = ("train", "fuse")


@dataclass
class Book:
    """The jobs that write below `home`, each once: two cases may share a run.

    Kinds in `flat` write to HOME/NAME, all others to HOME/KIND/NAME.
    """

    home: Path
    flat: tuple[str, ...] = RUNS
    _jobs: dict[str, Job] = field(default_factory=dict)

    def job(
        self, kind: Kind, name: str, words: Sequence[str], after: tuple[Job, ...], *recipes: Path, file: str = ""
    ) -> Job:
        """Return the job of a command, which lacks its output; `file` is written inside the output's folder."""
        output = self.home / name if kind.name in self.flat else self.home / kind.name / name
        job = Job(
            name=f"{self.home.name}/{name} {kind.name}",
            kind=kind,
            words=(*words, "-o", str(output / file)),
            output=output,
            record=self.home / "jobs" / f"{name}-{kind.name}",
            recipes=recipes,
            after=after,
        )
        return self._jobs.setdefault(job.name, job)

    def exported(self, run: Job, data: Path) -> Job:
        """Return the file of a run that ships."""
        return self.job(
            KINDS["bundles"], run.output.name, ("hetvs", "export", str(run.output), "--data", str(data)), (run,)
        )

    def embedded(self, bundle: Path, made_by: Job, dataset: Dataset, *, name: str = "", split: str = "test") -> Job:
        """Return the vectors of the images of a split through a bundle, named as the bundle is."""
        words = ["hetvs", "embed", str(dataset.folder), "--model", str(bundle), "--split", split]
        words += ["--rows", dataset.rows] if dataset.rows else []
        return self.job(KINDS["vectors"], name or bundle.name, words, (made_by,))


def fetch(home: Path, name: str, folder: Path, *more: str) -> Job:
    """Return the fetch of a data set. It proves itself by a digest of its own, so one that is there is taken."""
    return Job(
        name=f"{name}/data",
        kind=KINDS["data"],
        words=("hetvs", "data", "fetch", name, "-o", str(folder), *more),
        output=folder,
        record=home / name / "jobs" / "data",
    )
