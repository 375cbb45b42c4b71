"""Settings of `hetvs clusters`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, require_choice, setting

CLUSTER_METHODS = ("hdbscan", "agglomerative")


@dataclass(frozen=True, kw_only=True)
class ClustersConfig:
    """`hetvs clusters`."""

    method: str = setting("hdbscan", "how clusters are found", choices=CLUSTER_METHODS)
    smallest: int = setting(3, "hdbscan: images in the smallest cluster; others stand alone")
    distance: float = setting(0.5, "agglomerative: mean cosine distance up to which two clusters are joined")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_choice("method", self.method, CLUSTER_METHODS)
        require(self.smallest >= 2, f"smallest must be >= 2, got {self.smallest}")
        require(0 < self.distance <= 2, f"distance must be in (0, 2], got {self.distance}")
        require(self.threads >= 0, f"threads must be >= 0, got {self.threads}")
