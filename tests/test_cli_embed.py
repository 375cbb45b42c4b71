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


def test_int8_vectors_are_a_quarter_of_the_bytes_and_near_the_fp32_ones(
    letters: Path, bundle_folder: Path, tmp_path: Path
):
    words = ("embed", letters, "--model", bundle_folder, "--threads", 1)
    assert hetvs(*words, "-o", tmp_path / "fp32").exit_code == 0
    result = hetvs(*words, "-o", tmp_path / "int8", "--vectors", "int8")
    assert result.exit_code == 0, result.output
    fp32, int8 = (EmbeddingSet.load(tmp_path / name) for name in ("fp32", "int8"))
    assert np.load(tmp_path / "int8" / "vectors.npy").dtype == np.int8
    assert (fp32.ids, fp32.space, fp32.model_digest) == (int8.ids, int8.space, int8.model_digest)
    assert 1e-4 < np.abs(fp32.vectors_ND - int8.vectors_ND).max() <= np.abs(fp32.vectors_ND).max() / 127
    assert "int8 as it is: " in result.stdout
    assert "4k answers re-scored: 100.00" in result.stdout  # of 32 images every one is a candidate
    assert "32 int8 vectors, D = 16" in result.stdout
    assert hetvs("check", bundle_folder, "--against", tmp_path / "int8").exit_code == 0
