"""Settings of `hetvs export`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.evaluate import JUDGED, PROTOCOLS, RESAMPLE_CHOICES
from hetvs.settings import require, require_choice, setting


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """`hetvs export`."""

    opset: int = setting(18, "ONNX opset; torch writes 18 or later")
    tolerance: float = setting(1e-4, "largest difference of a vector component that parity allows")
    dim: int = setting(0, "keep the first components only, normalised again, of a rotated space; 0 keeps all")
    int8: bool = setting(False, "write int8 weights and activations, if --gallery is asked as well as with fp32")
    calibration: int = setting(256, "int8: train images that choose the ranges of the activations")
    max_loss: float = setting(0.5, "int8: exit 3 unless the interval of the loss of mAP M(q,g) ends below, in points")
    qat: bool = setting(False, "int8: when no candidate passes, train the student on with its roundings, and ask again")
    qat_share: float = setting(0.1, "int8, qat: how long, as a share of the run's epochs; one epoch at least")
    qat_lr: float = setting(0.1, "int8, qat: peak learning rate, as a share of the run's")
    protocol: str = setting("manifest", "int8: who asks whom, see `hetvs evaluate`", choices=PROTOCOLS)
    split: str = setting("test", "int8: the split of the gate; the candidate is always chosen on val", choices=JUDGED)
    rows: str = setting("", "int8: judge only rows where COLUMN=VALUE, queries and gallery")
    resample: str = setting("auto", "int8: what a bootstrap draw takes, see `hetvs evaluate`", choices=RESAMPLE_CHOICES)
    draws: int = setting(2000, "int8: bootstrap draws of an interval")
    seed: int = setting(0, "int8: seed of the bootstrap")
    threads: int = setting(0, "int8: CPU threads that embed and search; 0 takes every core")

    def __post_init__(self) -> None:
        require(self.opset >= 18, f"opset must be >= 18 (torch raises lower ones silently), got {self.opset}")
        require(0 < self.tolerance < 0.1, f"tolerance must be in (0, 0.1), got {self.tolerance}")
        require(self.calibration >= 8, f"calibration must be >= 8 images, got {self.calibration}")
        require(0 < self.max_loss <= 100, f"max_loss must be in (0, 100] points, got {self.max_loss}")
        require(self.dim >= 0, f"dim must be >= 0, got {self.dim}")
        require(not (self.dim and self.qat), "qat trains the whole vector on; export a prefix without it")
        require(self.int8 or not self.qat, "qat learns to live with int8; add --int8 and --gallery")
        for name in ("qat_share", "qat_lr"):
            require(0 < getattr(self, name) <= 1, f"{name} must be in (0, 1], got {getattr(self, name)}")
        require_choice("protocol", self.protocol, PROTOCOLS)
        require_choice("split", self.split, JUDGED)
        require_choice("resample", self.resample, RESAMPLE_CHOICES)
        require(self.draws >= 100, f"draws must be >= 100, got {self.draws}")
        require(self.seed >= 0 and self.threads >= 0, "seed and threads must be >= 0")
