"""Quantisation-aware training: when no candidate passes the gate, the student learns to live with its roundings.

Only here does the way to int8 see torch; what comes out is quantised, judged and written like a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from export.candidates import Candidate
from export.golden import parity_rows, read_pixels
from export.parity import require_parity
from export.plan import plan_of, with_ranges, with_weights
from export.quantise import quantise, rounded_graph
from export.to_int8 import Trials, write_model
from hetvs.artifacts import EdgeBundle, ModelCard
from hetvs.config import ExportConfig
from hetvs.encoders import open_session, run_session
from hetvs.manifest import Manifest
from hetvs.models.rounded import RoundedNet
from hetvs.training.train_on import end_of_schedule, settings_of, train_on

TOLERANCE = 1e-2  # a sum that lies between two levels falls to either side: integers and floats sum otherwise


@dataclass(frozen=True)
class Retraining:
    """A student's run, its teacher (run or bundle) and its images: what it takes to train it on."""

    run: Path
    teacher: Path
    manifest: Manifest
    config: ExportConfig

    def __call__(self, source: EdgeBundle, trials: Trials, candidate: Candidate) -> tuple[Path, dict[str, Any]]:
        """Return the int8 file of the student trained on with the roundings of `candidate`, and facts for its card.

        The trained net is held against the candidate's file before it learns and against its own file
        after: ParityError when one of them is another function.
        """
        graph, ranges = onnx.load(trials.graph), trials.ranges[candidate.calibration]
        model = RoundedNet(plan_of(rounded_graph(trials.graph, ranges, candidate), graph, ranges, candidate))
        self._require_parity(model, trials.files[candidate.name], source.card)
        asked = settings_of(self.run)
        share, lr_share = self.config.qat_share, self.config.qat_lr
        settings = end_of_schedule(asked, share=share, lr_share=lr_share, threads=self.config.threads)
        folder = trials.graph.parent
        trained = train_on(model, self.run, self.teacher, self.manifest, folder, settings)
        assert isinstance(trained, RoundedNet)
        onnx.save(with_weights(graph, trained.weights()), folder / "trained.onnx")
        learned = with_ranges(ranges, trained.ranges())
        path = folder / f"{candidate.name}-qat.onnx"
        write_model(quantise(folder / "trained.onnx", learned, candidate), source.card, path)
        facts = {
            "epochs": settings.epochs,
            "lr": settings.lr,
            "teacher": ModelCard.load(self.teacher).weights_digest,
            "parity_max_abs": self._require_parity(trained, path, source.card),
        }
        return path, facts

    def _require_parity(self, model: RoundedNet, path: Path, card: ModelCard) -> float:
        """Return the largest difference between the vectors of a net and of its int8 file on real images."""
        rows = parity_rows(self.manifest)
        pixels_BHWC = read_pixels(self.manifest, rows, card.preprocess)
        with torch.inference_mode():
            expected_BD: np.ndarray = model(torch.from_numpy(pixels_BHWC).permute(0, 3, 1, 2)).numpy()
        actual_BD = run_session(open_session(path, threads=1), pixels_BHWC)
        ids = [str(image_id) for image_id in self.manifest.ids[rows]]
        return require_parity(expected_BD, actual_BD, ids, TOLERANCE, str(path.name), made_by="the net that is trained")
