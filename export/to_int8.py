"""Edge bundle -> its int8 twin: every candidate is tried, the best on val is judged, and one too bad is not written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.calibrate import activation_ranges, calibration_pixels
from export.candidates import CANDIDATES, Calibration, Candidate
from export.gate import (
    FLOAT,
    Loss,
    ask_gallery,
    embed_with,
    is_small,
    least_loss,
    loss_of,
    map_of,
    mean_cosine,
    require_small_loss,
)
from export.golden import parity_rows, read_pixels
from export.graph import graph_metadata, load_graph, read_metadata
from export.quantise import quantise, weights_digest
from hetvs.artifacts import EdgeBundle, ModelCard, require_same_space
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
class Trials:
    """The float graph as the quantiser takes it, the ranges of its activations, the file of each candidate by name."""

    graph: Path
    ranges: Mapping[Calibration, Any]
    files: dict[str, Path]


# Source bundle, what was tried, the candidate to train on with -> a model file, named by its stem, and facts of it.
TrainOn = Callable[[EdgeBundle, Trials, Candidate], tuple[Path, dict[str, Any]]]


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
    train_on: TrainOn | None = None,
) -> tuple[EdgeBundle, Loss]:
    """Write the int8 twin of a float bundle to `output`; return it and what it loses on `config.split`.

    All candidates are quantised and asked through their files on val; the one with the least loss of
    M(q, g) (see `least_loss`) is judged on `config.split`. If it does not pass, `train_on` makes one more
    file of it, which is judged alone. Raises GateError (nothing is written), IncompatibleSpaceError when
    `gallery` (run, bundle or vectors) is of another space, ManifestError without train images.
    """
    if source.precision != FLOAT:
        raise ConfigError(f"{source.folder}: is {source.precision} already; give the run or its fp32 bundle")
    contest = Contest(source, enter(gallery, "gallery"), manifest, config)
    require_same_space(source.card.space, contest.gallery.seat[1], str(source.folder), str(gallery))
    pixels_BHWC, digest = calibration_pixels(manifest, source.card.preprocess, config.calibration)
    with tempfile.TemporaryDirectory() as temporary:
        trials = try_all(source, pixels_BHWC, Path(temporary))
        judgement, files = judge(contest, trials.files), trials.files
        trained: dict[str, Any] = {}
        if train_on is not None and not is_small(judgement.loss, config.max_loss):
            judgement, files, trained = try_again(contest, trials, judgement, train_on)
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
            **trained,
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


def try_again(
    contest: Contest, trials: Trials, refused: Judgement, train_on: TrainOn
) -> tuple[Judgement, dict[str, Path], dict[str, Any]]:
    """Train on with the roundings of the refused candidate; return the judgement of the new file, it, and facts.

    The facts keep the loss of the refused one: the split of the gate was asked a second time.
    """
    candidate = next(c for c in CANDIDATES if c.name == refused.chosen)
    path, facts = train_on(contest.source, trials, candidate)
    files = {path.stem: path}
    again = judge(contest, files)
    every = replace(again, val_map=refused.val_map | again.val_map, val_cosine=refused.val_cosine | again.val_cosine)
    return every, files, {"qat": {**facts, "refused": refused.chosen, "refused_loss": refused.loss.to_json()}}


def try_all(source: EdgeBundle, pixels_BHWC: np.ndarray, folder: Path) -> Trials:
    """Write the model file of every candidate into `folder`, and the float graph they are made of."""
    graph = load_graph(source.model_path)
    del graph.graph.value_info[:]  # shapes left over contradict the quantiser's own
    path = folder / "float.onnx"
    onnx.save(graph, path)
    ranges = {
        how: activation_ranges(path, pixels_BHWC, how) for how in dict.fromkeys(c.calibration for c in CANDIDATES)
    }
    files: dict[str, Path] = {}
    for (candidate,) in track([(c,) for c in CANDIDATES], "quantise"):
        files[candidate.name] = folder / f"{candidate.name}.onnx"
        write_model(quantise(path, ranges[candidate.calibration], candidate), source.card, files[candidate.name])
    return Trials(path, ranges, files)


def write_model(model: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Write an int8 graph to `path`, with the facts of the float model's `card` but the digest of its own weights."""
    onnx.helper.set_model_props(model, graph_metadata(replace(card, weights_digest=weights_digest(model))))
    write_bytes(path, model.SerializeToString())


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
