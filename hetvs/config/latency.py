"""Settings of `hetvs latency-table`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.config.supernet import SPACES
from hetvs.settings import require, require_choice, setting


@dataclass(frozen=True, kw_only=True)
class LatencyConfig:
    """`hetvs latency-table`."""

    space: str = setting(SPACES[0], "space of architectures whose operators are timed", choices=SPACES)
    sizes: tuple[int, ...] = setting((0,), "input sizes in pixels, repeatable; 0 takes those of the space")
    dim: int = setting(128, "D, the dimension of the embedding: that of the teacher")
    rounds: int = setting(11, "rounds of a block of each graph and of the reference kernel")
    threads: int = setting(1, "intra-op threads of the runtime")
    fitted: int = setting(16, "whole models of random architectures that the fixed costs are fitted on")
    held_out: int = setting(20, "other random architectures that the sum is compared with")
    seed: int = setting(0, "seed of the random architectures")

    def __post_init__(self) -> None:
        require_choice("space", self.space, SPACES)
        require(len(self.sizes) > 0, "sizes must not be empty")
        require(self.dim >= 2, f"dim must be >= 2, got {self.dim}")
        require(self.rounds >= 5, f"rounds must be >= 5, got {self.rounds}")
        require(self.threads >= 1, f"threads must be >= 1, got {self.threads}")
        for name in ("fitted", "held_out"):
            require(getattr(self, name) >= 8, f"{name} must be >= 8 architectures, got {getattr(self, name)}")
        require(self.seed >= 0, f"seed must be >= 0, got {self.seed}")

    @property
    def chosen_sizes(self) -> tuple[int, ...]:
        """The sizes asked for; empty for those of the space.

        >>> LatencyConfig().chosen_sizes, LatencyConfig(sizes=(32, 48)).chosen_sizes
        ((), (32, 48))
        """
        return tuple(size for size in self.sizes if size)
