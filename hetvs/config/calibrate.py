"""Settings of `hetvs calibrate`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.evaluate import PROTOCOLS, RESAMPLE_CHOICES, UNMATED_CHOICES, EvaluateConfig
from hetvs.settings import setting


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """`hetvs calibrate`; the settings mean what they mean for `hetvs evaluate`."""

    protocol: str = setting("manifest", "who asks whom, as for evaluate", choices=PROTOCOLS)
    false_rates: tuple[float, ...] = setting((0.1, 0.01, 0.001), "FAR and FPIR of the thresholds; repeat for more")
    unmated: str = setting(
        "auto", "whose first answers set the threshold of an FPIR, as for evaluate", choices=UNMATED_CHOICES
    )
    resample: str = setting("auto", "what a bootstrap draw takes, as for evaluate", choices=RESAMPLE_CHOICES)
    draws: int = setting(2000, "bootstrap draws of an interval")
    seed: int = setting(0, "seed of the bootstrap")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        self.judging()

    def judging(self) -> EvaluateConfig:
        """Return the same settings as those of `hetvs evaluate`, which checks them."""
        return EvaluateConfig(
            protocol=self.protocol,
            false_rates=self.false_rates,
            unmated=self.unmated,
            resample=self.resample,
            draws=self.draws,
            seed=self.seed,
            batch_size=self.batch_size,
            threads=self.threads,
        )
