"""Settings of `hetvs embed`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, require_choice, setting

PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """`hetvs embed`."""

    split: str = setting("", "embed only this split (train, val or test); empty takes every row")
    rows: str = setting("", "embed only rows where COLUMN=VALUE, for example style=noto")
    dim: int = setting(0, "keep the first components only, normalised again, of a rotated space; 0 keeps all")
    vectors: str = setting("fp32", "numbers of the file; int8 takes a quarter of the bytes", choices=PRECISIONS)
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_choice("split", self.split, ("", "train", "val", "test"))
        require_choice("vectors", self.vectors, PRECISIONS)
        require(self.dim >= 0, f"dim must be >= 0, got {self.dim}")
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        require(self.threads >= 0, f"threads must be >= 0, got {self.threads}")
