"""hetvs flips: which queries are lost, and a page that shows them, in a real browser too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edge_bench.runtimes.programs import browser_program
from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.config import CompareConfig
from hetvs.manifest import read_manifest
from hetvs.retrieval.comparison import Bits, compare
from hetvs.retrieval.flip_page import Answer, FlipPage, FlippedQuery, render_flips
from hetvs.retrieval.page import Picture

FAST = ("--split", "val", "--draws", 200, "--threads", 1)


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def stored(letters: Path, make_vectors: Callable[..., EmbeddingSet], tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of vectors of the letters and return it."""

    def save(name: str, noise: float, space: str = "cloud", seed: int = 1) -> Path:
        make_vectors(read_manifest(letters), noise=noise, seed=seed, space=space).save(tmp_path / name)
        return tmp_path / name

    return save


def test_the_page_shows_every_lost_query_with_both_answers(
    letters: Path, stored: Callable[..., Path], tmp_path: Path
) -> None:
    cloud, edge, page = stored("cloud", 0.1), stored("edge", 1.2, seed=2), tmp_path / "flips.html"
    words = ("flips", letters, "--before", cloud, cloud, "--after", edge, cloud, "-o", page, *FAST, "--shown", 3)
    done = hetvs(*words, "--json")
    assert done.exit_code == 0, done.output
    found, text = json.loads(done.stdout), page.read_text(encoding="utf-8")
    lost = found["flips"]["negative"]
    assert (found["old"], found["new"], found["measure"]) == ("cloud", "edge/cloud", "recall@1")
    assert found["old_right"]["value"] == 1
    assert len(lost) == round(found["flips"]["nfr"]["value"] * found["items"]) > 0
    blocks = text.split('<div class="flip">')[1:]
    assert [re.findall(r"</b>([^<]+)", block)[0].strip() for block in blocks] == lost
    for block in blocks:
        kinds = re.findall(r'<div class="one (\w+)">', block)
        assert kinds[0] == "asks"
        assert (kinds[1], kinds[4], len(kinds)) == ("right", "wrong", 7)  # the first of three before, and now
        scores = [float(score) for score in re.findall(r"<br>(-?\d\.\d{3})", block)]
        assert scores[:3] == sorted(scores[:3], reverse=True)
        assert scores[3:] == sorted(scores[3:], reverse=True)
    assert text.count("data:image/png;base64,") == 7 * len(lost)
    assert "http" not in text
    again = hetvs(*words)
    assert "is there already; add --overwrite" in again.output
    assert hetvs(*words, "--overwrite", "--limit", 1).exit_code == 0
    assert page.read_text(encoding="utf-8").count('<div class="flip">') == 1


def test_a_whole_update_is_judged_in_each_galleries_own_space(
    letters: Path, stored: Callable[..., Path], tmp_path: Path
) -> None:
    old, new = stored("old", 0.9), stored("new", 0.9, "other", seed=3)
    page = tmp_path / "flips.html"
    done = hetvs("flips", letters, "--before", old, old, "--after", new, new, "-o", page, *FAST)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("recall@1, old")
    crossed = hetvs("flips", letters, "--before", old, old, "--after", new, old, "-o", tmp_path / "x.html", *FAST)
    assert crossed.exit_code == 1
    assert "space" in crossed.output
    assert not (tmp_path / "x.html").exists()


def test_a_folder_is_no_page(letters: Path, stored: Callable[..., Path], tmp_path: Path) -> None:
    cloud = stored("cloud", 0.1)
    done = hetvs("flips", letters, "--before", cloud, cloud, "--after", cloud, cloud, "-o", tmp_path, *FAST)
    assert done.exit_code == 1
    assert "is a folder; name a file in it" in done.output


def test_a_label_cannot_break_the_page() -> None:
    bits = Bits(np.array(["q"]), np.array(["<b>"]), np.array([True]), np.array([False]))
    found = compare(bits, ("old", "new"), "accuracy", CompareConfig(draws=100))
    answer = Answer(Picture("", "</div><script>", "", right=False), 0.5)
    flipped = FlippedQuery(Picture("q", "<b>", "", right=True), (answer,), (answer,))
    text = render_flips(FlipPage(comparison=found, setup="", score="probability", flipped=[flipped], command=""))
    assert "<script>" not in text
    assert "&lt;b&gt;" in text
    assert found.flips.nfr.reason == "one query or one class alone has no interval"


@pytest.mark.slow
def test_chromium_shows_the_pictures(letters: Path, stored: Callable[..., Path], tmp_path: Path) -> None:
    """Every picture of the page is decoded by the browser, and a screenshot is not blank."""
    browser = browser_program()
    if browser is None:
        pytest.skip("no Chromium")
    cloud, edge, page = stored("cloud", 0.1), stored("edge", 1.2, seed=2), tmp_path / "flips.html"
    hetvs("flips", letters, "--before", cloud, cloud, "--after", edge, cloud, "-o", page, *FAST)
    script = (
        "<script>onload = () => document.body.append('decoded ' + "
        "[...document.images].filter(i => i.naturalWidth > 0).length + ' of ' + document.images.length)</script>"
    )
    page.write_text(page.read_text(encoding="utf-8") + script, encoding="utf-8")
    shot = tmp_path / "shot.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    environment = {**os.environ, "HOME": str(tmp_path)}

    def look(*more: str) -> str:
        words = [browser, *flags, *more, page.as_uri()]
        return subprocess.run(words, capture_output=True, text=True, timeout=300, check=True, env=environment).stdout

    shown = re.search(r"decoded (\d+) of (\d+)", look("--dump-dom"))
    assert shown is not None
    assert shown[1] == shown[2] != "0"
    look(f"--screenshot={shot}", "--window-size=1100,900")
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
    with Image.open(shot) as image:
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 200  # a blank page has a handful
