"""Settings of `hetvs evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, require_choice, setting, whole_numbers

JUDGED = ("val", "test")
PROTOCOLS = ("A", "B", "C", "manifest")
RESAMPLE_CHOICES = ("auto", "queries", "classes")
UNMATED_CHOICES = ("auto", "absent", "left-out")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """`hetvs evaluate`."""

    protocol: str = setting(
        "manifest",
        "who asks whom: A, B, C of the emoji set, or the manifest's flags",
        choices=PROTOCOLS,
    )
    split: str = setting("test", "the split that is judged", choices=JUDGED)
    rows: str = setting("", "judge only rows where COLUMN=VALUE, queries and gallery, for example style=noto")
    by: str = setting("", "break the result down by a column of the query images, for example domain")
    ks: tuple[int, ...] = setting((1, 5), "rank of recall@k; repeat for more", short="k")
    resample: str = setting(
        "auto",
        "what a bootstrap draw takes; auto takes classes where there are fewer than queries / 5",
        choices=RESAMPLE_CHOICES,
    )
    draws: int = setting(2000, "bootstrap draws of an interval")
    seed: int = setting(0, "seed of the bootstrap")
    open_set: bool = setting(False, "add TAR@FAR and TPIR@FPIR: what a threshold on the score accepts")
    false_rates: tuple[float, ...] = setting((0.1, 0.01, 0.001), "FAR and FPIR of --open-set; repeat for more")
    unmated: str = setting(
        "auto",
        "whose first answers set the threshold of an FPIR: queries without a relevant image (absent), or every query "
        "with its class left out of the gallery; auto takes absent where there are any",
        choices=UNMATED_CHOICES,
    )
    certify: bool = setting(
        False, "say which answers are certainly the gallery model's, with a bound that val images calibrate"
    )
    alpha: float = setting(0.1, "share of queries for which the bound of --certify may fail, and of trusted answers")
    delta: float = setting(0.1, "chance that a margin is trusted though more than alpha of its answers differ")
    prefixes: str = setting(
        "",
        "judge prefixes of a rotated space too, both sides cut: lengths, commas between, for example 32,64",
    )
    examples: int = setting(6, "worst and best queries to show as pictures, each")
    check: bool = setting(False, "exit 3 unless the rule holds on mAP for every query model")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_choice("protocol", self.protocol, PROTOCOLS)
        require_choice("split", self.split, JUDGED)
        require_choice("resample", self.resample, RESAMPLE_CHOICES)
        require_choice("unmated", self.unmated, UNMATED_CHOICES)
        require_rates(self.false_rates)
        whole_numbers(self.prefixes, "prefixes")
        require(not (self.certify and self.split == "val"), "certify calibrates on val; judge --split test")
        for name in ("alpha", "delta"):
            require(0 < getattr(self, name) < 1, f"{name} must be in (0, 1), got {getattr(self, name)}")
        require(len(self.ks) > 0 and min(self.ks) >= 1, f"ks must be ranks >= 1, got {list(self.ks)}")
        require(self.draws >= 100, f"draws must be >= 100, got {self.draws}")
        require(self.seed >= 0, f"seed must be >= 0, got {self.seed}")
        require(self.examples >= 0, f"examples must be >= 0, got {self.examples}")
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        require(self.threads >= 0, f"threads must be >= 0, got {self.threads}")

    @property
    def prefix_dims(self) -> tuple[int, ...]:
        """The lengths of the prefixes."""
        return whole_numbers(self.prefixes, "prefixes")


def require_rates(false_rates: tuple[float, ...]) -> None:
    """Check targets of FAR and FPIR: at least one, each in (0, 1)."""
    holds = len(false_rates) > 0 and all(0 < rate < 1 for rate in false_rates)
    require(holds, f"false_rates must be in (0, 1), got {list(false_rates)}")
