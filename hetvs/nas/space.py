"""Architectures as data: what they are made of, drawn, changed, written and read.

The interface that the search builds on, all of it without torch:

    space = space_of("hetvs-s", sizes=(32, 48, 64))     # or SPACES["shuffle"]: sizes as they are
    arch = space.sample(rng)                            # rng: np.random.Generator; also .largest() .smallest()
    child = space.mutate(space.crossover(a, b, rng), rng, chance=0.1)
    space.validate(child)                               # ConfigError, one line
    encode(arch), decode(values)                        # to and from what JSON holds: the genes
    read_architecture(path)                             # a file of encode(arch): `--arch`, best.json
    operators(arch, dim), macs_of(...), parameters_of(...)       # hetvs.nas.operators: what latency is summed over

`Architecture` is frozen and hashable, equal where its genes are, and printable in one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import index
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hetvs.errors import ArtifactError, ConfigError
from hetvs.settings import did_you_mean, require

T = TypeVar("T")
LEAST_PX, MOST_PX = 16, 512
MULTIPLE = 8  # of channel counts: what vector units and int8 kernels take at a time


@dataclass(frozen=True, order=True)
class Block:
    """One choice block: its operator and, where the space has one, the expansion of its inner channels."""

    op: str
    expand: int = 1

    def __str__(self) -> str:
        return self.op if self.expand == 1 else f"{self.op}x{self.expand}"


@dataclass(frozen=True, order=True)
class Architecture:
    """A network as its genes: the blocks of each stage (so also its depth), the width, the input side in pixels.

    >>> str(Architecture("hetvs-s", ((Block("dw3", 2),), (Block("dw5", 4), Block("dw3", 3))), 0.5, 48))
    'hetvs-s 48 px, width 0.5: dw3x2 | dw5x4 dw3x3'
    """

    space: str
    stages: tuple[tuple[Block, ...], ...]
    width: float
    img_size: int

    def __str__(self) -> str:
        stages = " | ".join(" ".join(map(str, blocks)) for blocks in self.stages)
        return f"{self.space} {self.img_size} px, width {self.width:g}: {stages}"


@dataclass(frozen=True, kw_only=True)
class Space:
    """The architectures of one kind: the choices of every gene, and the channels they are laid on.

    `ops` are ordered by cost, the cheapest first. The stem has stride 2, the first block of stage i the
    stride `strides[i]`; `channels` (of the stages), `stem` and `last` are those of width 1, and a `last` of 0
    ends the trunk with its last stage.
    """

    name: str
    ops: tuple[str, ...]
    expands: tuple[int, ...] = (1,)
    widths: tuple[float, ...] = (1.0,)
    depths: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    stem: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    last: int

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw every gene uniformly: depth, then the blocks, width and size."""
        stages = tuple(
            tuple(self._block(rng) for _ in range(_one_of(depths, rng)))  # one draw of a depth a stage
            for depths in self.depths
        )
        return Architecture(self.name, stages, _one_of(self.widths, rng), _one_of(self.sizes, rng))

    def mutate(self, arch: Architecture, rng: np.random.Generator, *, chance: float = 0.1) -> Architecture:
        """Draw each gene again at `chance`; a stage that grows gets new blocks at its end (SPOS: .1 a block)."""

        def blocks(stage: tuple[Block, ...], depths: tuple[int, ...]) -> tuple[Block, ...]:
            depth = _one_of(depths, rng) if rng.random() < chance else len(stage)
            kept = [self._changed(block, rng, chance) for block in stage[:depth]]
            return tuple(kept + [self._block(rng) for _ in range(depth - len(kept))])

        stages = tuple(blocks(stage, depths) for stage, depths in zip(arch.stages, self.depths, strict=True))
        width = _one_of(self.widths, rng) if rng.random() < chance else arch.width
        size = _one_of(self.sizes, rng) if rng.random() < chance else arch.img_size
        return Architecture(self.name, stages, width, size)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """Take each gene from one of two parents; of a block that only one of them has, from that one."""

        def blocks(ours: tuple[Block, ...], theirs: tuple[Block, ...]) -> tuple[Block, ...]:
            short, long = sorted((ours, theirs), key=len)
            mixed = [_one_of(pair, rng) for pair in zip(short, long, strict=False)]
            return tuple([*mixed, *long[len(mixed) :]][: len(_one_of((ours, theirs), rng))])

        stages = tuple(blocks(ours, theirs) for ours, theirs in zip(a.stages, b.stages, strict=True))
        width, size = _one_of((a.width, b.width), rng), _one_of((a.img_size, b.img_size), rng)
        return Architecture(self.name, stages, width, size)

    def largest(self, op: str = "") -> Architecture:
        """Return the architecture of the most MACs; with `op`, the largest of those that have it in every block."""
        block = Block(op or self.ops[-1], max(self.expands))
        stages = tuple((block,) * max(depths) for depths in self.depths)
        return Architecture(self.name, stages, max(self.widths), max(self.sizes))

    def smallest(self) -> Architecture:
        """Return the architecture of the fewest MACs."""
        block = Block(self.ops[0], min(self.expands))
        stages = tuple((block,) * min(depths) for depths in self.depths)
        return Architecture(self.name, stages, min(self.widths), min(self.sizes))

    def validate(self, arch: Architecture) -> None:
        """Raise ConfigError unless every gene of `arch` is a choice of this space."""
        require(arch.space == self.name, f"architecture is of space {arch.space!r}, not {self.name!r}")
        require(arch.width in self.widths, f"width must be one of {list(self.widths)}, got {arch.width}")
        require(arch.img_size in self.sizes, f"img_size must be one of {list(self.sizes)} px, got {arch.img_size}")
        require(len(arch.stages) == len(self.depths), f"{len(self.depths)} stages are needed, got {len(arch.stages)}")
        for number, (stage, depths) in enumerate(zip(arch.stages, self.depths, strict=True), start=1):
            require(len(stage) in depths, f"stage {number} must have {list(depths)} blocks, got {len(stage)}")
            for block in stage:
                require(block.op in self.ops, f"stage {number}: op {block.op!r} is unknown; known: {list(self.ops)}")
                known = f"must be one of {list(self.expands)}, got {block.expand}"
                require(block.expand in self.expands, f"stage {number}: expand {known}")

    def widened(self, channels: int, width: float) -> int:
        """Return a channel count at `width`, rounded to a multiple of 8 and at least 8."""
        return max(MULTIPLE, int(channels * width / MULTIPLE + 0.5) * MULTIPLE)

    def _block(self, rng: np.random.Generator) -> Block:
        return Block(_one_of(self.ops, rng), _one_of(self.expands, rng))

    def _changed(self, block: Block, rng: np.random.Generator, chance: float) -> Block:
        op = _one_of(self.ops, rng) if rng.random() < chance else block.op
        return Block(op, _one_of(self.expands, rng) if rng.random() < chance else block.expand)


SPACES: dict[str, Space] = {  # the names are hetvs.config.SPACES
    "hetvs-s": Space(
        name="hetvs-s",
        ops=("dw3", "dw5", "xception3", "dw7"),  # 9, 25, 27 and 49 weights a channel
        expands=(2, 3, 4),
        widths=(0.5, 0.75, 1.0),
        depths=((1, 2, 3),) * 4,
        sizes=(32, 48, 64),
        stem=16,
        channels=(16, 32, 64, 128),
        strides=(1, 2, 2, 2),
        last=256,
    ),
    "shuffle": Space(  # Guo et al., Single Path One-Shot, arXiv 1904.00420; ShuffleNet V2, arXiv 1807.11164
        name="shuffle",
        ops=("shuffle3", "shuffle5", "shuffle7", "xception"),
        depths=((4,), (4,), (8,), (4,)),
        sizes=(64, 96, 128),
        stem=16,
        channels=(64, 160, 320, 640),
        strides=(2, 2, 2, 2),
        last=1024,
    ),
    "lite": Space(  # cuts of EfficientNet-Lite0 (hetvs.nas.lite): what follows its first block, up to its eleventh
        name="lite",
        ops=("dw3", "dw5"),
        expands=(3, 4, 6),
        depths=((1, 2), (1, 2), (1, 2, 3), (1, 2, 3)),
        sizes=(32, 40, 48),
        stem=16,
        channels=(24, 40, 80, 112),
        strides=(2, 2, 2, 1),
        last=0,
    ),
}


def space_of(name: str, sizes: Sequence[int] = ()) -> Space:
    """Return a space by name, with other input sizes if given; ConfigError for an unknown name or a size out of range.

    >>> space_of("shuffle", [224]).largest().img_size
    224
    """
    if name not in SPACES:
        raise ConfigError(f"space {name!r} is unknown{did_you_mean(name, list(SPACES))}")
    for size in sizes:
        require(LEAST_PX <= size <= MOST_PX, f"sizes must be {LEAST_PX}..{MOST_PX} px, got {size}")
    return replace(SPACES[name], sizes=tuple(sorted(set(sizes)))) if sizes else SPACES[name]


def encode(arch: Architecture) -> dict[str, Any]:
    """Return the genes as JSON holds them.

    >>> encode(SPACES["hetvs-s"].smallest())["stages"][0]
    [['dw3', 2]]
    """
    stages = [[[block.op, block.expand] for block in stage] for stage in arch.stages]
    return {"space": arch.space, "img_size": arch.img_size, "width": arch.width, "stages": stages}


def decode(genes: Mapping[str, Any]) -> Architecture:
    """Return the architecture of these genes, of any legal input size; ConfigError says what is wrong."""
    try:
        stages = tuple(tuple(Block(str(op), index(expand)) for op, expand in stage) for stage in genes["stages"])
        arch = Architecture(str(genes["space"]), stages, float(genes["width"]), index(genes["img_size"]))
    except KeyError as error:
        raise ConfigError(f"genes lack {error}") from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"genes are malformed: {error}") from None
    space_of(arch.space, [arch.img_size]).validate(arch)
    return arch


def read_architecture(path: Path) -> Architecture:
    """Read a file of `encode(arch)`; ArtifactError says which file and what is wrong with it."""
    try:
        return decode(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ArtifactError(f"{path}: cannot read: {error.strerror}") from error
    except (ConfigError, ValueError) as error:
        raise ArtifactError(
            f"{path}: no architecture: {error}; give a file that `hetvs search-student` wrote"
        ) from None


def _one_of(choices: Sequence[T], rng: np.random.Generator) -> T:
    """Draw one of `choices` uniformly."""
    return choices[int(rng.integers(len(choices)))]
