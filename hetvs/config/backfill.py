"""Settings of `hetvs backfill`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hetvs.config.evaluate import JUDGED, PROTOCOLS, RESAMPLE_CHOICES
from hetvs.settings import require, require_choice, setting

ORDERS = ("isolation", "uncertainty", "variance", "access", "random")
CURVE_METRICS = ("map", "map@r", "recall@1")


MAP_HELP = "map from the old space to the new one (`hetvs adapt`); none where the new model is in the old space"
ACCESS_HELP = "CSV with the columns id and count: how often each image was asked for"


def require_orders(orders: Iterable[str], space_map: str, access: str) -> None:
    """Raise ConfigError unless every order is known and has what it is made of."""
    for name in orders:
        require_choice("order", name, ORDERS)
        require(name != "access" or bool(access), "order access needs access, a CSV with the columns id and count")
        said = "order variance needs a map that predicts it; learn one with `hetvs adapt --method mlp`"
        require(name != "variance" or bool(space_map), said)


@dataclass(frozen=True, kw_only=True)
class BackfillConfig:
    """`hetvs backfill plan`."""

    order: str = setting(
        "isolation",
        "what is refreshed first: far from its neighbours, far from its class mean, largest variance predicted by "
        "the map, most asked for, or random",
        choices=ORDERS,
    )
    map: str = setting("", MAP_HELP)
    access: str = setting("", ACCESS_HELP)
    chunk: int = setting(512, "images that are embedded and kept together; a killed run loses one chunk at most")
    probe: int = setting(64, "images that are embedded to measure the speed")
    seed: int = setting(0, "seed of the random order")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_orders((self.order,), self.map, self.access)
        for name in ("chunk", "probe", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        require(self.seed >= 0 and self.threads >= 0, "seed and threads must be >= 0")


@dataclass(frozen=True, kw_only=True)
class RefreshConfig:
    """`hetvs backfill run`."""

    share: float = setting(1.0, "share of the gallery that is refreshed in the end, what was done before included")
    tag: str = setting("", "name of the gallery that is then served; empty takes its share")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require(0 <= self.share <= 1, f"share must be in 0..1, got {self.share}")
        letters = self.tag.replace("-", "").replace("_", "").replace(".", "")
        require(not self.tag or (letters.isalnum() and self.tag[0].isalnum()), f"tag {self.tag!r} is no folder name")
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        require(self.threads >= 0, f"threads must be >= 0, got {self.threads}")


@dataclass(frozen=True, kw_only=True)
class CurveConfig:
    """`hetvs backfill curve`."""

    order: tuple[str, ...] = setting(
        ("isolation", "random"), "order to judge, see `hetvs backfill plan`; repeatable", choices=ORDERS
    )
    map: str = setting("", MAP_HELP)
    access: str = setting("", ACCESS_HELP)
    points: int = setting(11, "shares of the refreshed gallery at which retrieval is read, 0 and 1 among them")
    seeds: int = setting(5, "random orders behind the one curve of `random`, and its band")
    metric: str = setting("map", "what is read", choices=CURVE_METRICS)
    protocol: str = setting("manifest", "who asks whom, see `hetvs evaluate`", choices=PROTOCOLS)
    split: str = setting("test", "the split that is judged", choices=JUDGED)
    rows: str = setting("", "judge only rows where COLUMN=VALUE, queries and gallery")
    resample: str = setting("auto", "what a bootstrap draw takes, see `hetvs evaluate`", choices=RESAMPLE_CHOICES)
    draws: int = setting(2000, "bootstrap draws of an interval")
    seed: int = setting(0, "seed of the bootstrap, and of the first random order")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_orders(self.order, self.map, self.access)
        require(len(set(self.order)) == len(self.order) > 0, f"each order once, got {list(self.order)}")
        require_choice("metric", self.metric, CURVE_METRICS)
        require_choice("protocol", self.protocol, PROTOCOLS)
        require_choice("split", self.split, JUDGED)
        require_choice("resample", self.resample, RESAMPLE_CHOICES)
        require(self.points >= 2, f"points must be >= 2, got {self.points}")
        require(self.draws >= 100, f"draws must be >= 100, got {self.draws}")
        for name in ("seeds", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        require(self.seed >= 0 and self.threads >= 0, "seed and threads must be >= 0")
