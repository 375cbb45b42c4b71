from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hetvs import backfill
from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.cli import main
from hetvs.config import BackfillConfig, CurveConfig, RefreshConfig
from hetvs.encoders import batches, embed, open_encoder
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError
from hetvs.manifest import Manifest
from hetvs.refresh.maps import MapCard, SpaceMap, digest_of
from hetvs.refresh.plan import Backfill
from hetvs.refresh.versions import VersionedVectors

PLAN = BackfillConfig(chunk=5, probe=4, threads=1)
FAST = ("--threads", 1)


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def newest(shapes: Manifest, shapes_cloud: Path) -> EmbeddingSet:
    """What the new model says of every image."""
    return embed(open_encoder(shapes_cloud, threads=1), shapes, batches(np.arange(len(shapes)), 16))


def blurred(vectors: EmbeddingSet, space: SpaceCard, seed: int = 0) -> EmbeddingSet:
    """An old model: the new one's vectors, blurred."""
    rows = vectors.vectors_ND + 0.2 * np.random.default_rng(seed).normal(size=vectors.vectors_ND.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return EmbeddingSet(rows.astype(np.float32), vectors.ids, space, "v1")


@pytest.fixture(scope="module")
def old(newest: EmbeddingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery by a compatible old model: in the space of the new one."""
    folder = tmp_path_factory.mktemp("old") / "v1"
    blurred(newest, newest.space).save(folder)
    return folder


@pytest.fixture(scope="module")
def stranger(newest: EmbeddingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gallery by an old model with a space of its own: the axes turned."""
    folder = tmp_path_factory.mktemp("old") / "stranger"
    other = SpaceCard(teacher_digest="v1", preprocess_digest="toy", dim=newest.space.dim)
    turned = blurred(newest, other)
    EmbeddingSet(np.roll(turned.vectors_ND, 1, axis=1), turned.ids, other, "v1").save(folder)
    return folder


@pytest.fixture(scope="module")
def back(newest: EmbeddingSet, stranger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map that turns the axes back, with a variance that grows along one of them."""
    from hetvs.models.map_storage import save_map

    dim, begins = newest.space.dim, EmbeddingSet.load(stranger).space
    arrays = {
        "weight": np.roll(np.eye(dim, dtype=np.float32), -1, axis=0),
        "bias": np.zeros(dim, np.float32),
        "hidden.weight": np.eye(dim, dtype=np.float32),
        "hidden.bias": np.zeros(dim, np.float32),
        "out.weight": np.zeros((dim, dim), np.float32),
        "variance.weight": np.eye(dim, dtype=np.float32)[:1],
        "variance.bias": np.zeros(1, np.float32),
    }
    card = MapCard(
        method="mlp",
        direction="forward",
        from_space=begins,
        to_space=newest.space,
        from_model="v1",
        to_model=newest.model_digest,
        weights_digest=digest_of(arrays),
        pairs=9,
        fitted={},
    )
    folder = tmp_path_factory.mktemp("maps") / "back"
    save_map(folder, SpaceMap(card, arrays))
    return folder


@pytest.fixture
def plan(shapes_folder: Path, shapes_cloud: Path, old: Path, tmp_path: Path) -> Path:
    """A plan over all 48 images, ten chunks."""
    backfill.draft_plan(shapes_folder, old, shapes_cloud, PLAN).write(tmp_path / "plan")
    return tmp_path / "plan"


def run(plan: Path, share: float = 1.0, tag: str = "") -> tuple[str, VersionedVectors]:
    return backfill.run_backfill(plan, RefreshConfig(share=share, tag=tag, threads=1))


def test_a_plan_orders_every_image_once_and_serves_the_old_gallery(plan: Path, old: Path):
    opened = Backfill.open(plan)
    before = EmbeddingSet.load(old)
    assert sorted(opened.ids) == sorted(before.ids)
    assert opened.serving() == "old"
    served = VersionedVectors.load(opened.gallery_folder("old"))
    np.testing.assert_array_equal(served.vectors.vectors_ND, before.vectors_ND)
    assert [len(opened.chunk_ids(number)) for number in opened.chunks_for(48)] == [5] * 9 + [3]
    assert opened.plan.cost["images"] == 48
    assert opened.plan.cost["seconds"] == pytest.approx(48 / opened.plan.cost["images_per_s"])


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


def test_rows_of_another_space_need_a_map(shapes_folder: Path, shapes_cloud: Path, stranger: Path, back: Path):
    for words in ((), ("--order", "random")):
        result = hetvs(
            "backfill", "plan", shapes_folder, "--old", stranger, "--new", shapes_cloud, "--dry-run", *words, *FAST
        )
        assert result.exit_code == 1
        assert "or learn a map with `hetvs adapt` and give it as --map" in result.stderr
        assert result.stderr.count("\n") == 1
    draft = backfill.draft_plan(shapes_folder, stranger, shapes_cloud, replace(PLAN, map=str(back)))
    assert draft.plan.start == "start"
    assert draft.start.versions[0].maps == (draft.plan.map_digest,)


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


def test_access_counts_are_read_by_id(
    shapes_folder: Path, shapes_cloud: Path, old: Path, tmp_path: Path, shapes: Manifest
):
    table, ids = tmp_path / "asked.csv", shapes.ids.tolist()
    table.write_text(f"id,count\n{ids[7]},3\n{ids[3]},9\n")
    config = BackfillConfig(order="access", access=str(table), probe=2, threads=1)
    draft = backfill.draft_plan(shapes_folder, old, shapes_cloud, config)
    assert draft.ids[:2] == (ids[3], ids[7])
    assert draft.ids[2:] == tuple(sorted(set(ids) - {ids[3], ids[7]}))
    for text, said in (
        (f"id,count\n{ids[0]},-1\n", "asked.csv:2: count must be a whole number"),
        (f"id,count\n{ids[0]},1\n{ids[0]},1\n", "asked.csv:3: id .* stands twice"),
        ("id,count\nnobody,1\n", "asked.csv:2: id 'nobody' is not in the gallery"),
        ("name,count\n", "asked.csv:1: the columns must be id and count"),
    ):
        table.write_text(text)
        with pytest.raises(ConfigError, match=said):
            backfill.draft_plan(shapes_folder, old, shapes_cloud, config)


@pytest.mark.parametrize("config", [BackfillConfig, CurveConfig])
def test_an_order_says_what_it_lacks(config: type[BackfillConfig] | type[CurveConfig]):
    def ordered(name: str, **more: str) -> object:
        return config(**{"order": name if config is BackfillConfig else (name,), **more})

    for order, said in (("access", "order access needs access"), ("variance", "order variance needs a map")):
        with pytest.raises(ConfigError, match=said):
            ordered(order)
    assert ordered("access", access="asked.csv") != ordered("variance", map="maps/back")


def test_a_map_that_predicts_no_variance_orders_nothing(
    shapes_folder: Path, shapes_cloud: Path, stranger: Path, back: Path, tmp_path: Path
):
    from hetvs.models.map_storage import load_map, save_map

    whole = load_map(back)
    plain = {name: whole.arrays[name] for name in ("weight", "bias")}
    save_map(tmp_path / "plain", SpaceMap(replace(whole.card, weights_digest=digest_of(plain)), plain))
    config = replace(PLAN, order="variance", map=str(tmp_path / "plain"))
    with pytest.raises(ConfigError, match="the map predicts none; learn one with"):
        backfill.draft_plan(shapes_folder, stranger, shapes_cloud, config)


def test_a_dry_run_says_the_cost_and_writes_nothing(shapes_folder: Path, shapes_cloud: Path, old: Path, tmp_path: Path):
    words = ("backfill", "plan", shapes_folder, "--old", old, "--new", shapes_cloud, "--probe", 4, *FAST)
    result = hetvs(*words, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    cost = json.loads(result.stdout)
    assert (cost["images"], cost["bytes"], cost["order"]) == (48, 48 * 16 * 4, "isolation")
    assert cost["images_per_s"] > 0
    assert list(tmp_path.iterdir()) == []
    assert hetvs(*words).exit_code == 2
    assert hetvs(*words, "--dry-run", "-o", tmp_path / "p").exit_code == 2


def test_the_speed_is_images_by_the_clock(shapes: Manifest, shapes_cloud: Path):
    ticks: Iterator[float] = iter([10.0, 12.0])
    encoder = open_encoder(shapes_cloud, threads=1)
    assert backfill.speed(encoder, shapes, np.arange(6), 4, clock=lambda: next(ticks)) == 3.0


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


def test_vectors_cannot_embed(shapes_folder: Path, old: Path):
    with pytest.raises(ConfigError, match="is a folder of vectors; a backfill embeds"):
        backfill.draft_plan(shapes_folder, old, old, PLAN)


def test_a_map_that_leads_elsewhere_is_refused(shapes_folder: Path, shapes_cloud: Path, old: Path, back: Path):
    with pytest.raises(IncompatibleSpaceError, match="the wrong direction"):
        backfill.draft_plan(shapes_folder, old, shapes_cloud, replace(PLAN, map=str(back)))


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
