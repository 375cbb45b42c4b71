"""Jobs: when one is done, what a kill leaves, and what a failure stops."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from studies.shared.jobs import Job, Kind, with_needs
from studies.shared.runner import Runner, last_line

KIND = Kind(name="train", whole="card.json", goes_on="--resume")
WRITE = (
    "import pathlib, sys, time; out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True, exist_ok=True); "
    "(out / 'words.txt').open('a').write(' '.join(sys.argv[2:]) + ';'); {more}; (out / 'card.json').write_text('1')"
)


def job(home: Path, name: str, *, more: str = "pass", kind: Kind = KIND, after: tuple[Job, ...] = ()) -> Job:
    """A job that notes the words it was started with in words.txt."""
    output = home / name
    words = ("python", "-c", WRITE.format(more=more), str(output))
    return Job(name=name, kind=kind, words=words, output=output, record=home / "jobs" / name, after=after)


def run(*jobs: Job, workers: int = 2) -> dict[str, str]:
    return Runner(with_needs(jobs), workers, 1).run()


def started(one: Job) -> str:
    """What the starts of a job noted."""
    return (one.output / "words.txt").read_text()


def test_a_finished_job_is_not_run_again(tmp_path: Path) -> None:
    one = job(tmp_path, "one")
    assert one.state() == "new"
    assert run(one) == {}
    assert one.state() == "done"
    assert one.seconds is not None
    assert run(one) == {}
    assert started(one) == ";"


def test_a_cut_job_goes_on(tmp_path: Path) -> None:
    one = job(tmp_path, "one")
    run(one)
    (one.output / "card.json").unlink()
    assert one.state() == "begun"
    run(one)
    assert started(one) == ";--resume;"


def test_another_command_starts_from_nothing(tmp_path: Path) -> None:
    run(job(tmp_path, "one"))
    other = job(tmp_path, "one", more="x = 1")
    assert other.state() == "new"
    run(other)
    assert started(other) == ";"


def test_an_output_of_unknown_origin_does_not_count(tmp_path: Path) -> None:
    one = job(tmp_path, "one")
    one.output.mkdir()
    (one.output / "card.json").write_text("{}")
    assert one.state() == "new"


def test_a_data_set_that_is_there_is_taken(tmp_path: Path) -> None:
    one = job(tmp_path, "one", kind=replace(KIND, owns=False))
    one.output.mkdir()
    (one.output / "card.json").write_text("{}")
    assert one.state() == "done"


def test_what_a_recipe_says_counts_and_not_its_comments(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    digests = []
    for text in ("# expect: ?\nepochs = 3\n", "# expect: .53\nepochs = 3\n", "epochs = 4\n"):
        recipe.write_text(text)
        digests.append(replace(job(tmp_path, "one"), recipes=(recipe,)).identity)
    assert digests[0] == digests[1] != digests[2]


def test_a_changed_cloud_model_makes_its_students_stale(tmp_path: Path) -> None:
    run(job(tmp_path, "student", after=(job(tmp_path, "cloud"),)))
    assert job(tmp_path, "student", after=(job(tmp_path, "cloud"),)).state() == "done"
    assert job(tmp_path, "student", after=(job(tmp_path, "cloud", more="x = 1"),)).state() == "new"


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    bad = job(tmp_path, "bad", more="print('step 3: the loss is not finite'); sys.exit(1)")
    needs_it, other = job(tmp_path, "needs", after=(bad,)), job(tmp_path, "other")
    failures = run(needs_it, other, workers=1)
    assert set(failures) == {"bad", "needs"}
    assert "exit 1: step 3: the loss is not finite" in failures["bad"]
    assert failures["needs"] == "needs bad"
    assert other.state() == "done"


def test_a_job_that_ends_well_without_its_output_has_failed(tmp_path: Path) -> None:
    assert "exit 0" in run(job(tmp_path, "empty", more="sys.exit(0)"))["empty"]


def test_two_at_a_time_and_one_alone(tmp_path: Path) -> None:
    stamp = "(out / 'from').write_text(str(time.time())); time.sleep(0.5); (out / 'to').write_text(str(time.time()))"
    quiet = job(tmp_path, "quiet", more=stamp, kind=replace(KIND, alone=True))
    pair = [job(tmp_path, name, more=stamp) for name in "ab"]
    run(quiet, *pair)
    spans = {one.name: [float((one.output / side).read_text()) for side in ("from", "to")] for one in (quiet, *pair)}
    assert max(spans["a"][0], spans["b"][0]) < min(spans["a"][1], spans["b"][1])
    assert spans["quiet"][0] > max(spans["a"][1], spans["b"][1])


def test_a_child_that_outlived_its_study_is_waited_for(tmp_path: Path) -> None:
    """Its log is locked as long as it lives; what it finishes meanwhile is not done twice."""
    one = job(tmp_path, "one")
    one.begin()
    one.log.parent.mkdir(exist_ok=True)
    held = one.log.open("ab")
    fcntl.flock(held, fcntl.LOCK_EX)

    def finish() -> None:
        time.sleep(0.6)
        one.output.mkdir()
        (one.output / "card.json").write_text("1")
        held.close()

    orphan = threading.Thread(target=finish)
    orphan.start()
    assert run(one) == {}
    orphan.join()
    assert not (one.output / "words.txt").exists()


def test_the_words_of_a_job_are_in_its_stamp_and_its_log(tmp_path: Path) -> None:
    one = job(tmp_path, "one", kind=replace(KIND, threaded=True))
    run(one)
    assert json.loads(one.stamp.read_text())["words"] == list(one.words)
    assert started(one) == "--threads 1;"
    assert one.log.read_text().startswith("$ python -c ")


@pytest.mark.parametrize(("text", "last"), [("a\nb\n\n", "b"), ("", "said nothing"), ("x\r\ny \n", "y")])
def test_last_line(tmp_path: Path, text: str, last: str) -> None:
    (tmp_path / "log").write_text(text)
    assert last_line(tmp_path / "log") == last
