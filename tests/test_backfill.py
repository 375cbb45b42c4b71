"""A gallery is embedded again while it is served: runs, rollbacks, kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hetvs import backfill
from hetvs.artifacts import EmbeddingSet
from hetvs.config import BackfillConfig, RefreshConfig
from hetvs.errors import ArtifactError, ConfigError
from hetvs.refresh.plan import Backfill
from hetvs.refresh.versions import VersionedVectors
from tests.stale_gallery import FAST, hetvs


def run(plan: Path, share: float = 1.0, tag: str = "") -> tuple[str, VersionedVectors]:
    return backfill.run_backfill(plan, RefreshConfig(share=share, tag=tag, threads=1))


def test_a_share_is_refreshed_in_order_and_then_the_rest(plan: Path, old: Path, newest: EmbeddingSet):
    opened, before = Backfill.open(plan), EmbeddingSet.load(old)
    tag, half = run(plan, 0.25)
    assert (tag, opened.serving(), half.counts()) == ("share-0.2500", tag, {"v1": 36, "cloud": 12})
    for row, image_id in enumerate(half.vectors.ids):
        new = image_id in opened.ids[:12]
        expected = newest.vectors_ND[newest.ids.index(image_id)] if new else before.vectors_ND[row]
        np.testing.assert_allclose(half.vectors.vectors_ND[row], expected, atol=1e-5)
    tag, whole = run(plan)
    assert (tag, opened.tags()) == ("new", ["new", "old", "share-0.2500"])
    assert whole.vectors.ids == before.ids
    in_order = newest.vectors_ND[[newest.ids.index(image_id) for image_id in before.ids]]
    np.testing.assert_allclose(whole.vectors.vectors_ND, in_order, atol=1e-5)


def test_a_rollback_serves_what_was_and_loses_nothing(plan: Path, monkeypatch: pytest.MonkeyPatch):
    run(plan)
    opened = Backfill.open(plan)
    result = hetvs("backfill", "rollback", plan, "--to", "old")
    assert result.exit_code == 0, result.output
    assert opened.serving() == "old"
    assert f"next: hetvs backfill rollback {plan} --to new" in result.stdout
    monkeypatch.setattr(backfill, "open_encoder", lambda *_, **__: pytest.fail("embedded again"))
    assert run(plan)[0] == opened.serving() == "new"
    result = hetvs("backfill", "rollback", plan, "--to", "yesterday")
    assert result.exit_code == 1
    assert "no gallery 'yesterday'; there are: new, old" in result.stderr


def test_a_stopped_run_goes_on_where_it_was(plan: Path, monkeypatch: pytest.MonkeyPatch):
    save, saved = EmbeddingSet.save, []

    def tired(self: EmbeddingSet, folder: Path, **more: bool) -> None:
        saved.append(folder.name)
        if len(saved) == 4:
            raise KeyboardInterrupt
        save(self, folder, **more)

    monkeypatch.setattr(EmbeddingSet, "save", tired)
    with pytest.raises(KeyboardInterrupt):
        run(plan)
    opened = Backfill.open(plan)
    assert opened.serving() == "old"
    assert [opened.chunk(number) is not None for number in range(5)] == [True, True, True, False, False]
    with pytest.raises(ArtifactError, match="00003: is not finished; go on with `hetvs backfill run`"):
        opened.gallery(48)
    monkeypatch.setattr(EmbeddingSet, "save", save)
    (plan / "chunks" / ".00003.half").mkdir()  # what a killed run leaves
    first = (plan / "chunks" / "00000" / "vectors.npy").stat().st_mtime_ns
    _, whole = run(plan)
    assert (plan / "chunks" / "00000" / "vectors.npy").stat().st_mtime_ns == first
    assert len(set(whole.vectors.ids)) == len(whole.vectors.ids) == whole.counts()["cloud"] == 48
    assert sorted(path.name for path in (plan / "chunks").iterdir()) == [f"{number:05d}" for number in range(10)]


def test_a_damaged_chunk_is_embedded_again(plan: Path, newest: EmbeddingSet):
    run(plan, 0.5)
    np.save(plan / "chunks" / "00001" / "vectors.npy", np.ones((5, newest.space.dim), np.float32))
    _, whole = run(plan)
    assert whole.counts()["cloud"] == 48
    rows = [newest.ids.index(image_id) for image_id in whole.vectors.ids]
    np.testing.assert_allclose(whole.vectors.vectors_ND, newest.vectors_ND[rows], atol=1e-5)


def test_two_processes_do_not_run_one_plan(plan: Path):
    with backfill.only_one(plan), pytest.raises(ConfigError, match="another process runs this plan"):
        run(plan)


def test_a_tag_keeps_its_gallery(plan: Path):
    run(plan, 0.25, "monday")
    run(plan, 0.25, "monday")
    with pytest.raises(ConfigError, match="tag 'monday' is that of a gallery with 12 new rows; choose another"):
        run(plan, 0.5, "monday")


def test_a_mapped_gallery_starts_mapped_and_rolls_back_to_the_untouched_one(
    shapes_folder: Path, shapes_cloud: Path, stranger: Path, back: Path, tmp_path: Path, newest: EmbeddingSet
):
    config = BackfillConfig(chunk=20, probe=4, order="variance", map=str(back), threads=1)
    backfill.draft_plan(shapes_folder, stranger, shapes_cloud, config).write(tmp_path / "plan")
    opened, before = Backfill.open(tmp_path / "plan"), EmbeddingSet.load(stranger)
    first = np.maximum(before.vectors_ND[:, 0], 0)  # the unit of the hidden layer that predicts the variance
    score_of = dict(zip(before.ids, first.tolist(), strict=True))
    assert list(opened.ids) == sorted(before.ids, key=lambda image_id: (-score_of[image_id], image_id))
    tag, start = run(tmp_path / "plan", 0)
    assert (tag, start.vectors.space) == ("start", newest.space)
    _, mixed = run(tmp_path / "plan", 0.5)
    assert mixed.counts() == {"stranger": 24, "cloud": 24}
    opened.serve("old")
    served = VersionedVectors.load(opened.gallery_folder(opened.serving()))
    assert served.vectors.space == before.space
    np.testing.assert_array_equal(served.vectors.vectors_ND, before.vectors_ND)


def test_another_model_in_the_place_of_the_planned_one_is_noticed(
    plan: Path, shapes_cloud: Path, run_folder: Path, tmp_path: Path
):
    values = json.loads((plan / "plan.json").read_text())
    (plan / "plan.json").write_text(json.dumps({**values, "model": str(run_folder)}))
    with pytest.raises(ArtifactError, match="is another model than when the plan was made"):
        run(plan)
    shutil.rmtree(plan)
    with pytest.raises(ArtifactError, match="holds no plan"):
        Backfill.open(plan)


def test_the_command_line_runs_and_judges(plan: Path, shapes_folder: Path, shapes_cloud: Path, old: Path):
    result = hetvs("backfill", "run", plan, "--share", 0.5, "--json", *FAST)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["rows"] == {"v1": 24, "cloud": 24}
    assert EmbeddingSet.load(Path(said["gallery"])).space == EmbeddingSet.load(old).space
    words = ("--old", old, "--new", shapes_cloud, "--split", "val", "--draws", 100, "--points", 4, "--seeds", 2)
    result = hetvs("backfill", "curve", shapes_folder, *words, *FAST, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [found["name"] for found in report["curves"]] == ["isolation", "random"]
    assert report["curves"][1]["seeds"] == 2
    assert "random" in report["curves"][0]["gains"]
    assert report["curves"][0]["points"][-1] == report["new_new"]


@pytest.mark.slow
def test_a_killed_run_ends_with_one_row_per_id(plan: Path, tmp_path: Path, newest: EmbeddingSet):
    shutil.copytree(plan, tmp_path / "unkilled")
    program = [sys.executable, "-c", "from hetvs.cli import main; main()", "backfill", "run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen([*program, str(plan), "-b", "1"], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (plan / "chunks" / "00001").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert Backfill.open(plan).serving() == "old"
    for folder in (plan, tmp_path / "unkilled"):
        subprocess.run([*program, str(folder), "-b", "1"], env=environment, check=True, capture_output=True)
    whole, other = (VersionedVectors.load(folder / "galleries" / "new") for folder in (plan, tmp_path / "unkilled"))
    assert sorted(whole.vectors.ids) == sorted(set(newest.ids))
    np.testing.assert_array_equal(whole.vectors.vectors_ND, other.vectors.vectors_ND)
    assert whole.counts() == {"v1": 0, "cloud": 48}
