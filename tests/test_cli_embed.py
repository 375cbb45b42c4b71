from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hetvs.artifacts import EmbeddingSet
from hetvs.cli import main
from hetvs.encoders import open_encoder
from hetvs.manifest import read_manifest


def hetvs(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_bundle_embeds_every_row_by_id(letters: Path, bundle_folder: Path, tmp_path: Path):
    result = hetvs("embed", letters, "--model", bundle_folder, "-o", tmp_path / "vectors", "-b", 7, "--threads", 1)
    assert result.exit_code == 0, result.output
    vectors, manifest = EmbeddingSet.load(tmp_path / "vectors"), read_manifest(letters)
    encoder = open_encoder(bundle_folder, threads=1)
    assert vectors.ids == tuple(manifest.ids)
    assert vectors.space == encoder.card.space
    assert vectors.model_digest == encoder.card.weights_digest
    last = encoder.encode(encoder.card.preprocess.read(manifest.paths[-1])[None])
    assert np.abs(vectors.vectors_ND[-1] - last[0]).max() < 1e-5
    assert f"next: hetvs evaluate {letters} --gallery-model {tmp_path / 'vectors'}" in result.stdout
    assert "embed with" in result.stderr
    assert "32/32" in result.stderr


@pytest.mark.parametrize(("option", "n"), [(("--split", "val"), 16), (("--rows", "label=A"), 4)])
def test_a_run_embeds_the_asked_rows_alone(
    letters: Path, run_folder: Path, tmp_path: Path, option: tuple[str, str], n: int
):
    result = hetvs("embed", letters, "--model", run_folder, "-o", tmp_path / "v", *option, "--threads", 1)
    assert result.exit_code == 0, result.output
    assert len(EmbeddingSet.load(tmp_path / "v").ids) == n


def test_embedding_twice_gives_the_same_vectors(letters: Path, run_folder: Path, tmp_path: Path):
    """P4: evaluation mode; nothing in the run moves."""
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    for name in ("one", "two"):
        assert hetvs("embed", letters, "--model", copy, "-o", tmp_path / name, "--threads", 1).exit_code == 0
    one, two = (EmbeddingSet.load(tmp_path / name).vectors_ND for name in ("one", "two"))
    assert np.array_equal(one, two)


def test_faults_are_one_line(letters: Path, run_folder: Path, tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    for words, said in (
        (("--model", run_folder, "-o", tmp_path / "full"), "not empty; add --overwrite"),
        (("--model", run_folder, "-o", tmp_path / "v", "--rows", "labl=A"), "column 'labl' is unknown"),
        (("--model", tmp_path, "-o", tmp_path / "v"), "holds no finished run"),
    ):
        result = hetvs("embed", letters, *words)
        assert result.exit_code == 1
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    assert (tmp_path / "full" / "precious").exists()
