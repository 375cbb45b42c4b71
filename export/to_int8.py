"""Edge bundle -> its int8 twin: every candidate is tried, the best on val is judged, and one too bad is not written."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.calibrate import activation_ranges, calibration_pixels
from export.candidates import CANDIDATES
from export.gate import (
    FLOAT,
    Loss,
    ask_gallery,
    embed_with,
    least_loss,
    loss_of,
    map_of,
    mean_cosine,
    require_small_loss,
)
from export.golden import parity_rows, read_pixels
from export.graph import graph_metadata, load_graph, read_metadata
from export.quantise import quantise, weights_digest
from hetvs.artifacts import EdgeBundle, require_same_space
from hetvs.config import ExportConfig
from hetvs.contenders import Entrant, enter
from hetvs.encoders import open_session, run_session
from hetvs.errors import ConfigError
from hetvs.files import digest_file, new_folder, write_bytes
from hetvs.manifest import Manifest
from hetvs.progress import track
from hetvs.retrieval.columns import Columns
from hetvs.retrieval.matrix import Judged
from hetvs.retrieval.protocols import protocol_of

INT8 = "int8"
TOLERANCE = 1e-6  # of golden vectors: after the integers only one dot product and a norm are rounded


@dataclass(frozen=True)
class Contest:
    """The float bundle, the gallery model it is asked in, the images and the settings: what all asking shares."""

    source: EdgeBundle
    gallery: Entrant
    manifest: Manifest
    config: ExportConfig

    def ask(self, files: dict[str, Path], split: str) -> tuple[Columns, dict[str, np.ndarray]]:
        """Return the columns and the vectors of each model file of `files` on `split`."""
        protocol = protocol_of(self.manifest, self.config.protocol, split, self.config.rows)
        judged = Judged.of(self.manifest, protocol)
        threads = self.config.threads
        gallery = self.gallery.contender(self.manifest, judged.rows, batch_size=64, threads=threads)
        sessions = {name: open_session(path, threads) for name, path in files.items()}
        vectors = embed_with(sessions, self.source.card, self.manifest, judged.rows)
        return ask_gallery(judged, vectors, judged.align(gallery), threads), vectors


@dataclass(frozen=True)
class Judgement:
    """The name of the candidate that is kept, what it loses, and mAP M(q, g) and mean cosine of all on val."""

    chosen: str
    loss: Loss
    val_map: dict[str, float]
    val_cosine: dict[str, float]


def int8_bundle(
    source: EdgeBundle,
    gallery: Path,
    manifest: Manifest,
    output: Path,
    config: ExportConfig,
    *,
    overwrite: bool = False,
) -> tuple[EdgeBundle, Loss]:
    """Write the int8 twin of a float bundle to `output`; return it and what it loses on `config.split`.

    All candidates are quantised and asked through their files on val; the one with the least loss of
    M(q, g) (see `least_loss`) is judged on `config.split`. Raises GateError (nothing is written),
    IncompatibleSpaceError when `gallery` (run, bundle or vectors) is of another space, ManifestError
    without train images.
    """
    if source.precision != FLOAT:
        raise ConfigError(f"{source.folder}: is {source.precision} already; give the run or its fp32 bundle")
    contest = Contest(source, enter(gallery, "gallery"), manifest, config)
    require_same_space(source.card.space, contest.gallery.seat[1], str(source.folder), str(gallery))
    pixels_BHWC, digest = calibration_pixels(manifest, source.card.preprocess, config.calibration)
    with tempfile.TemporaryDirectory() as temporary:
        files = try_all(source, pixels_BHWC, Path(temporary))
        judgement = judge(contest, files)
        require_small_loss(judgement.loss, config.max_loss)
        facts = {
            "candidate": judgement.chosen,
            "val_map": judgement.val_map,
            "val_cosine": judgement.val_cosine,
            "calibration_images": len(pixels_BHWC),
            "calibration_digest": digest,
            "loss": judgement.loss.to_json(),
            "gallery_model": contest.gallery.digest,
            "source_weights_digest": source.card.weights_digest,
            "source_bytes": source.model_path.stat().st_size,
        }
        bundle = write_bundle(source, files[judgement.chosen], facts, manifest, output, overwrite=overwrite)
        return bundle, judgement.loss


def judge(contest: Contest, files: dict[str, Path]) -> Judgement:
    """Choose among the candidates' `files` on val, and measure the chosen one on the split of the gate."""
    split, float_path = contest.config.split, contest.source.model_path
    columns, vectors = contest.ask({FLOAT: float_path, **files}, "val")
    val_map = {name: map_of(columns, name) for name in (FLOAT, *files)}
    val_cosine = {name: mean_cosine(vectors, name) for name in files}
    chosen = least_loss(val_map[FLOAT], {name: val_map[name] for name in files}, val_cosine)
    if split != "val":
        columns, vectors = contest.ask({FLOAT: float_path, chosen: files[chosen]}, split)
    loss = loss_of(columns, chosen, vectors, (split, contest.config.protocol), contest.config)
    return Judgement(chosen, loss, val_map, val_cosine)


def try_all(source: EdgeBundle, pixels_BHWC: np.ndarray, folder: Path) -> dict[str, Path]:
    """Write the model file of every candidate into `folder`; return them by name."""
    graph = load_graph(source.model_path)
    del graph.graph.value_info[:]  # shapes left over contradict the quantiser's own
    path = folder / "float.onnx"
    onnx.save(graph, path)
    ranges = {
        how: activation_ranges(path, pixels_BHWC, how) for how in dict.fromkeys(c.calibration for c in CANDIDATES)
    }
    files: dict[str, Path] = {}
    for (candidate,) in track([(c,) for c in CANDIDATES], "quantise"):
        model = quantise(path, ranges[candidate.calibration], candidate)
        card = replace(source.card, weights_digest=weights_digest(model))
        onnx.helper.set_model_props(model, graph_metadata(card))
        files[candidate.name] = folder / f"{candidate.name}.onnx"
        write_bytes(files[candidate.name], model.SerializeToString())
    return files


def write_bundle(
    source: EdgeBundle, model: Path, facts: dict[str, Any], manifest: Manifest, output: Path, *, overwrite: bool
) -> EdgeBundle:
    """Write the bundle of an int8 file: its golden vectors are its own, on the golden images of `source`."""
    pixels_BHWC = read_pixels(manifest, parity_rows(manifest), source.card.preprocess)
    sessions = [open_session(path, threads=1) for path in (source.model_path, model)]
    float_BD, int8_BD = (run_session(session, pixels_BHWC) for session in sessions)
    card = replace(source.card, weights_digest=read_metadata(load_graph(model))["hetvs.weights_digest"])
    with new_folder(output, overwrite=overwrite) as temporary:
        for name in source.golden_files:
            shutil.copyfile(source.folder / name, temporary / name)
        write_bytes(temporary / "model.onnx", model.read_bytes())
        replace(
            source,
            folder=output,
            card=card,
            golden_vectors=run_session(sessions[1], source.golden_pixels),
            tolerance=TOLERANCE,
            parity_max_abs=float(np.abs(float_BD - int8_BD).max()),
            onnx_digest=digest_file(model),
            precision=INT8,
            quantisation=facts,
        ).write_side_files(temporary)
    return EdgeBundle.load(output)
