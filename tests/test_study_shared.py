"""What the studies share: jobs of a folder, values per query on one bootstrap, the report of a run."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from hetvs.errors import ArtifactError
from hetvs.retrieval.intervals import Estimate
from studies.shared.book import KINDS, Book, fetch
from studies.shared.cases import Dataset
from studies.shared.command import Go, Report, carry_out
from studies.shared.jobs import Job, Kind
from studies.shared.paired import mean_of, paired, with_means
from studies.shared.rows import MEAN, Origin, Row

ORIGIN = Origin(study="toy", dataset="shapes", protocol="B", size="1", command="python -m toy")


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """A study takes SIGTERM; the test process gets it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_run_lies_beside_the_folders_of_what_is_made_of_it(tmp_path: Path) -> None:
    book, dataset = Book(tmp_path / "shapes"), Dataset(name="shapes", folder=Path("data"), protocols=("B",), rows="x=1")
    run = book.job(KINDS["train"], "cloud", ("hetvs", "train-teacher", "data"), ())
    bundle = book.exported(run, dataset.folder)
    test = book.embedded(bundle.output, bundle, dataset)
    val = book.embedded(bundle.output, bundle, dataset, name="cloud-val", split="val")
    assert [job.output.relative_to(tmp_path) for job in (run, bundle, test, val)] == [
        Path("shapes/cloud"),
        Path("shapes/bundles/cloud"),
        Path("shapes/vectors/cloud"),
        Path("shapes/vectors/cloud-val"),
    ]
    assert test.after == (bundle,)
    assert val.words[-6:] == ("--split", "val", "--rows", "x=1", "-o", str(val.output))
    assert book.exported(run, dataset.folder) is bundle, "two cases may share a job"
    assert (bundle.name, bundle.record) == ("shapes/cloud bundles", tmp_path / "shapes/jobs/cloud-bundles")


def test_a_command_may_write_a_file_inside_its_folder(tmp_path: Path) -> None:
    job = Book(tmp_path / "search", flat=()).job(Kind(name="latency", whole="t.json"), "t", ("x",), (), file="t.json")
    assert job.words[-1] == str(job.output / "t.json")
    assert not fetch(tmp_path, "emoji", Path("data/emoji")).kind.owns, "a data set is not the study's to delete"


def test_a_mean_waits_for_every_seed() -> None:
    columns = {(name, seed): {"map": np.array([seed, 1.0])} for name in "ab" for seed in (0, 1)}
    del columns["b", 1]
    found = with_means(columns, {"a": 2, "b": 2})
    assert found["a", MEAN]["map"].tolist() == [0.5, 1.0]
    assert ("b", MEAN) not in found
    assert mean_of([found["a", 0], found["a", 1]])["map"].tolist() == found["a", MEAN]["map"].tolist()


def test_numbers_of_one_bootstrap_are_paired() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(60)
    samples = paired({"a": {"map": first}, "b": {"map": first + 0.25}}, np.arange(60))
    apart = (samples["b"]["map"] - samples["a"]["map"]).estimate()
    assert (apart.value, apart.low, apart.high) == pytest.approx((0.25, 0.25, 0.25))


def job_that(tmp_path: Path, code: str) -> Job:
    """A job whose command writes its last file, or fails."""
    script = tmp_path / "script.py"
    script.write_text(code)
    output = tmp_path / "out"
    return Job(
        name="toy/job",
        kind=Kind(name="columns", whole="done.json", goes_on=""),
        words=("python", str(script), str(output)),
        output=output,
        record=tmp_path / "jobs" / "job",
    )


WRITES = "import pathlib, sys\nout = pathlib.Path(sys.argv[1])\nout.mkdir()\n(out / 'done.json').write_text('1')\n"


def carried_out(tmp_path: Path, job: Job, rows: Sequence[Row], *, unplanned: str = "", dry_run: bool = False) -> int:
    """Carry out one job and return the exit code; pages are counted in a file."""

    def show(docs: Path, shown: Sequence[Row]) -> None:
        (docs / "page.md").write_text(str(len(shown)))

    go = Go(dry_run=dry_run, jobs=1, threads=1, home=tmp_path, docs=tmp_path)
    report = Report(
        study="toy", kinds=("columns",), rows=lambda: rows, show=show, unplanned={"a": unplanned} if unplanned else {}
    )
    with pytest.raises(SystemExit) as caught:
        carry_out(go, [job], report)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_study_writes_rows_and_page_when_its_jobs_are_done(tmp_path: Path) -> None:
    row = ORIGIN.row("default", 0, "q,g", "map", Estimate(0.5, 0.4, 0.6), 7)
    assert carried_out(tmp_path, job_that(tmp_path, WRITES), [row]) == 0
    (kept,) = json.loads((tmp_path / "results.json").read_text())
    assert (kept["method"], kept["lower"], kept["macs"], kept["command"]) == ("default", 0.4, 7, "python -m toy")
    assert (tmp_path / "page.md").read_text() == "1"


def test_without_rows_nothing_is_written(tmp_path: Path) -> None:
    assert carried_out(tmp_path, job_that(tmp_path, WRITES), []) == 0
    assert not (tmp_path / "results.json").exists()


def test_a_failure_and_what_cannot_be_planned_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert carried_out(tmp_path, job_that(tmp_path, "raise SystemExit('no images')"), [], unplanned="no recipe") == 1
    said = capsys.readouterr().err
    assert "not done: toy/job: exit 1: no images" in said
    assert "not done: a: no recipe" in said


def test_a_dry_run_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = job_that(tmp_path, WRITES)
    assert carried_out(tmp_path, job, [], unplanned="no recipe", dry_run=True) == 0
    assert capsys.readouterr().out.splitlines() == [
        "new   toy/job",
        f"      python {tmp_path / 'script.py'} {tmp_path / 'out'}",
        "left out: a: no recipe",
    ]
    assert not job.output.exists()


def test_rows_that_cannot_be_made_in_between_do_not_stop_the_jobs(tmp_path: Path) -> None:
    """The error is said after the job and raised at the end."""
    asked = []

    def rows() -> Sequence[Row]:
        asked.append(1)
        raise ArtifactError("judged on other queries")

    go = Go(dry_run=False, jobs=1, threads=1, home=tmp_path, docs=tmp_path)
    report = Report(study="toy", kinds=("columns",), rows=rows, show=lambda docs, rows: None)
    job = job_that(tmp_path, WRITES)
    with pytest.raises(ArtifactError, match="other queries"):
        carry_out(go, [job], report)
    assert job.state() == "done"
    assert len(asked) == 2
