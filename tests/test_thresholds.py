from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.errors import ArtifactError
from hetvs.manifest import Manifest
from hetvs.retrieval.open_set import threshold_at
from hetvs.retrieval.thresholds import load_map, match_quantiles


def test_a_mapped_threshold_keeps_the_false_rate_and_an_unmapped_one_does_not():
    rng = np.random.default_rng(0)
    paragon, edge = rng.normal(0.5, 0.1, 4000), rng.normal(0.4, 0.05, 4000)
    known = match_quantiles(edge[:2000], paragon[:2000])
    for rate in (0.1, 0.01):
        threshold = threshold_at(paragon[:2000], rate).value
        mapped = known.from_paragon(threshold)
        assert np.mean(edge[2000:] > mapped) == pytest.approx(rate, abs=2.5 * (rate / 2000) ** 0.5 * 2**0.5)
        assert np.mean(edge[2000:] > threshold) < rate / 5
        assert known.to_paragon(mapped) == pytest.approx(threshold)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_the_map_is_monotone_and_within_the_scores(edge: list[float], paragon: list[float]):
    known = match_quantiles(np.array(edge), np.array(paragon))
    mapped = [known.to_paragon(score) for score in np.linspace(-1, 1, 21)]
    assert mapped == sorted(mapped)
    assert min(paragon) <= mapped[0]
    assert mapped[-1] <= max(paragon)


def test_calibrate_writes_what_test_images_confirm(
    closed_letters: Manifest, make_vectors: Callable[..., EmbeddingSet], tmp_path: Path
):
    for name, noise, seed in (("cloud", 0.2, 1), ("edge", 0.9, 2)):
        make_vectors(closed_letters, noise=noise, seed=seed).save(tmp_path / name)
    sides = ("--gallery-model", tmp_path / "cloud", "--query-model", tmp_path / "edge")
    words = ["calibrate", closed_letters.source, *sides, "--false-rates", 0.25, "--draws", 100, "--threads", 1]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    path = tmp_path / "edge" / "thresholds.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert (stored["query_digest"], stored["gallery_digest"]) == ("model of seed 2", "model of seed 1")
    threshold = stored["paragon"]["tpir"][0]["threshold"]["value"]
    assert f"{load_map(path).from_paragon(threshold):.3f}" in result.stdout
    assert "unmapped" in result.stdout
    EmbeddingSet.load(tmp_path / "edge")  # the file beside it does not spoil the folder
    again = CliRunner().invoke(main, [str(word) for word in words])
    assert again.exit_code == 1
    assert "add --overwrite" in again.stderr


@pytest.mark.parametrize("text", ["{}", '{"version": 1}', '{"version": 1, "map": {"paragon": ["a"]}}', "[]"])
def test_a_spoilt_file_is_one_line(text: str, tmp_path: Path):
    (tmp_path / "thresholds.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"thresholds\.json"):
        load_map(tmp_path / "thresholds.json")
