"""Settings of `hetvs bench`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, require_choice, setting

RUNTIMES = (  # each is a line of edge_bench.runtimes.RUNTIMES
    "onnxruntime", "openvino", "ncnn", "mnn", "litert", "executorch", "web-node", "web-chromium",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """`hetvs bench`."""

    runtime: tuple[str, ...] = setting(
        (RUNTIMES[0],), "runtime to measure in, or all; repeatable", choices=(*RUNTIMES, "all")
    )
    rounds: int = setting(20, "rounds of a block of calls and a block of the reference kernel")
    calls: int = setting(20, "timed calls in a block")
    warmup: int = setting(2, "untimed calls before each block")
    threads: int = setting(1, "intra-op threads of the runtime")
    gallery: int = setting(100_000, "vectors in the gallery that the search stage asks")

    def __post_init__(self) -> None:
        require(self.gallery >= 10, f"gallery must be >= 10, got {self.gallery}")
        require(self.rounds >= 10, f"rounds must be >= 10, got {self.rounds}")
        require(self.calls >= 10, f"calls must be >= 10, got {self.calls}")
        require(self.warmup >= 1 and self.threads >= 1, "warmup and threads must be >= 1")
        for name in self.runtime:
            require_choice("runtime", name, (*RUNTIMES, "all"))

    @property
    def runtimes(self) -> tuple[str, ...]:
        """The names asked for, each once, in the order asked for; `all` stands for every one.

        >>> BenchConfig(runtime=("ncnn", "all")).runtimes[:2]
        ('ncnn', 'onnxruntime')
        """
        asked = (name for entry in self.runtime for name in (RUNTIMES if entry == "all" else (entry,)))
        return tuple(dict.fromkeys(asked))
