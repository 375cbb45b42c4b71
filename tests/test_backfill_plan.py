"""What is planned before a gallery is embedded again: order, cost, maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hetvs import backfill
from hetvs.artifacts import EmbeddingSet
from hetvs.config import BackfillConfig, CurveConfig
from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError, IncompatibleSpaceError
from hetvs.manifest import Manifest
from hetvs.refresh.maps import SpaceMap, digest_of
from hetvs.refresh.plan import Backfill
from hetvs.refresh.versions import VersionedVectors
from tests.stale_gallery import FAST, PLAN, hetvs


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


def test_vectors_cannot_embed(shapes_folder: Path, old: Path):
    with pytest.raises(ConfigError, match="is a folder of vectors; a backfill embeds"):
        backfill.draft_plan(shapes_folder, old, old, PLAN)


def test_a_map_that_leads_elsewhere_is_refused(shapes_folder: Path, shapes_cloud: Path, old: Path, back: Path):
    with pytest.raises(IncompatibleSpaceError, match="the wrong direction"):
        backfill.draft_plan(shapes_folder, old, shapes_cloud, replace(PLAN, map=str(back)))
