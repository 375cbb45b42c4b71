"""The README's own commands, run one after the other on the real emoji; only the schedules are cut short."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hetvs.artifacts import EdgeBundle, EmbeddingSet
from hetvs.cli import main

ROOT = Path(__file__).parents[1]
SHORTER = {  # what is added to a command so that it ends soon
    "train-teacher": "--epochs 1 --warmup 0.3",
    "train-student": "--epochs 2 --views 1 --warmup 0.3",
    "evaluate": "--draws 200",
    "bench": "--rounds 10 --calls 10",
}


def commands() -> list[list[str]]:
    """The `hetvs` commands of the README's step-by-step block."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    steps = next(block for block in blocks if "hetvs data fetch" in block).replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in steps.splitlines() if line.startswith("hetvs ")]


def run(words: list[str]) -> Result:
    result = CliRunner().invoke(main, [*words, *SHORTER.get(words[0], "").split()])
    assert result.exit_code == 0, f"hetvs {shlex.join(words)}: {result.output}{result.exception!r}"
    return result


@pytest.mark.slow
def test_the_readme_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    outputs = {shlex.join(words): run(words).output for words in commands()}
    assert len(outputs) == 12
    cloud, edge = (EdgeBundle.load(tmp_path / "bundles" / name) for name in ("cloud", "edge"))
    assert edge.card.space == cloud.card.space == EmbeddingSet.load(tmp_path / "vectors/cloud").space
    assert cloud.card.macs > 20 * edge.card.macs
    assert (tmp_path / "kits/edge/card.json").is_file()
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["setup"]["queries"] == 5388
    assert report["setup"]["classes"]["shared"] == 0
    control = next(cell for cell in report["cells"] if cell["kind"].startswith("control"))
    assert control["metrics"]["recall@1"]["value"] < 0.02  # independent models are at chance
    ratio = json.loads((tmp_path / "bench/report.json").read_text())["pairs"][0]["median"]
    assert ratio > 10

    refused = CliRunner().invoke(main, ["check", "bundles/edge", "--against", "runs/baseline"])
    assert refused.exit_code == 1
    assert "space" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
