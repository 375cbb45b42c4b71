"""Architectures as data: drawing, changing, writing, and what they cost."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hetvs.errors import ArtifactError, ConfigError
from hetvs.nas.operators import Operator, macs_of, operators, parameters_of
from hetvs.nas.space import SPACES, Architecture, Block, decode, encode, read_architecture, space_of

names = st.sampled_from(sorted(SPACES))
seeds = st.integers(0, 2**32 - 1)


@given(names, seeds)
def test_what_is_drawn_is_valid_and_survives_json(name: str, seed: int) -> None:
    space = SPACES[name]
    arch = space.sample(np.random.default_rng(seed))
    space.validate(arch)
    again = decode(json.loads(json.dumps(encode(arch))))
    assert again == arch
    assert hash(again) == hash(arch)
    assert encode(again) == encode(arch)


@given(names, seeds, st.floats(0, 1))
def test_children_stay_inside(name: str, seed: int, chance: float) -> None:
    space, rng = SPACES[name], np.random.default_rng(seed)
    a, b = space.sample(rng), space.sample(rng)
    child = space.crossover(a, b, rng)
    space.validate(child)
    space.validate(space.mutate(child, rng, chance=chance))
    assert space.mutate(a, rng, chance=0.0) == a
    assert space.crossover(a, a, rng) == a
    assert child.width in (a.width, b.width)
    assert all(len(mixed) in (len(x), len(y)) for mixed, x, y in zip(child.stages, a.stages, b.stages, strict=True))


def test_a_child_has_blocks_of_both_parents() -> None:
    space, rng = SPACES["hetvs-s"], np.random.default_rng(0)
    child = space.crossover(space.largest(), space.smallest(), rng)
    assert len({block.op for stage in child.stages for block in stage}) == 2
    long = space.crossover(space.largest("dw7"), space.smallest(), np.random.default_rng(1))
    assert all(block.op == "dw7" for stage in long.stages for block in stage[1:])  # only one parent has those


def test_one_gene_in_ten_is_drawn_again() -> None:
    space, rng = SPACES["shuffle"], np.random.default_rng(0)
    arch = space.largest()
    children = [space.mutate(arch, rng, chance=0.1) for _ in range(400)]
    blocks = [block.op for child in children for stage in child.stages for block in stage]
    changed = np.mean([op != "xception" for op in blocks])
    assert changed == pytest.approx(0.1 * 3 / 4, abs=0.01)  # one draw in four is the same again


def test_every_gene_is_drawn_uniformly() -> None:
    space, rng = SPACES["hetvs-s"], np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(1200)]
    genes = {
        "depth": Counter(len(arch.stages[1]) for arch in drawn),
        "op": Counter(arch.stages[2][0].op for arch in drawn),
        "expand": Counter(arch.stages[0][0].expand for arch in drawn),
        "width": Counter(arch.width for arch in drawn),
        "size": Counter(arch.img_size for arch in drawn),
    }
    for name, counts in genes.items():
        expected = len(drawn) / len(counts)
        chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
        assert chi_square < 16.3, name  # p = .001 at 3 degrees of freedom, smaller at 2


@given(names, seeds)
def test_the_ends_of_the_space_are_its_cheapest_and_costliest(name: str, seed: int) -> None:
    space = SPACES[name]
    macs = macs_of(space.sample(np.random.default_rng(seed)), 128)
    assert macs_of(space.smallest(), 128) <= macs <= macs_of(space.largest(), 128)


def test_macs_of_a_network_counted_by_hand() -> None:
    arch = Architecture(
        "hetvs-s", ((Block("dw3", 2),), (Block("dw5", 3), Block("xception3", 2)), *ONE_BLOCK * 2), 0.5, 32
    )
    stem = 16 * 16 * 27 * 8
    first = 256 * (8 * 16 + 16 * 9 + 16 * 8)  # stride 1, 8 -> 16 -> 8 channels on 16 x 16
    second = 256 * 8 * 24 + 64 * (24 * 25 + 24 * 16)  # stride 2, 8 -> 24 -> 16 channels
    third = 64 * (16 * 32 + 3 * 32 * 9 + 32 * 16)
    fourth = 64 * 16 * 32 + 16 * (32 * 9 + 32 * 32)
    fifth = 16 * 32 * 64 + 4 * (64 * 9 + 64 * 64)
    last = 4 * 64 * 128 + 128 * 10
    assert macs_of(arch, 10) == stem + first + second + third + fourth + fifth + last


ONE_BLOCK = ((Block("dw3", 2),),)


def test_operators_of_a_block_in_the_order_of_the_data() -> None:
    space = SPACES["hetvs-s"]
    found = operators(space.smallest(), 16)
    assert found[0] == Operator("conv_relu", 3, 2, 3, 8, 1, 32)
    assert [(o.kind, o.kernel) for o in found[1:5]] == [("conv_relu", 1), ("conv_relu", 3), ("conv", 1), ("add", 1)]
    assert found[-2:] == (Operator("pool", 2, 1, 128, 128, 128, 2), Operator("linear", 1, 1, 128, 16, 1, 1))
    assert (found[-1].macs, found[-1].parameters) == (2048, 2064)
    for before, after in pairwise(found):
        assert after.in_px == before.out_px


def test_the_published_space_has_the_published_range() -> None:
    """Single Path One-Shot bins its paths from 290 to 360 M at 224 px and 1,000 classes."""
    space, rng = space_of("shuffle", [224]), np.random.default_rng(0)
    macs = [macs_of(space.sample(rng), 1000) for _ in range(50)]
    assert 290e6 < min(macs) < max(macs) < 360e6


def test_parameters_do_not_depend_on_the_input_size() -> None:
    small, large = (space_of("hetvs-s", [size]).largest() for size in (32, 64))
    assert parameters_of(small, 16) == parameters_of(large, 16)
    assert macs_of(small, 16) < macs_of(large, 16)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"space": "hetvs-x"}, "space 'hetvs-x' is unknown; did you mean 'hetvs-s'"),
        ({"width": 0.6}, "width must be one of"),
        ({"img_size": 7}, "sizes must be 16..512 px, got 7"),
        ({"img_size": 32.5}, "malformed"),
        ({"stages": [[["dw3", 2]]] * 3}, "4 stages are needed, got 3"),
        ({"stages": [[["dw3", 2]]] * 3 + [[]]}, "stage 4 must have"),
        ({"stages": [[["dw9", 2]]] * 4}, "op 'dw9' is unknown"),
        ({"stages": [[["dw3", 7]]] * 4}, "expand must be one of"),
        ({"stages": [[["dw3"]]] * 4}, "malformed"),
        ({"stages": 3}, "malformed"),
    ],
)
def test_bad_genes_are_refused_in_one_line(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        decode({**encode(SPACES["hetvs-s"].smallest()), **change})


def test_an_architecture_is_read_from_its_file(tmp_path: Path) -> None:
    path, arch = tmp_path / "best.json", SPACES["hetvs-s"].largest()
    path.write_text(json.dumps(encode(arch)))
    assert read_architecture(path) == arch
    for text in ("[]", "{}", "no json"):
        path.write_text(text)
        with pytest.raises(ArtifactError, match=r"best\.json: no architecture"):
            read_architecture(path)
    with pytest.raises(ArtifactError, match="cannot read"):
        read_architecture(tmp_path / "none.json")


def test_another_input_size_is_another_space() -> None:
    assert space_of("hetvs-s", [96, 64, 96]).sizes == (64, 96)
    with pytest.raises(ConfigError, match="img_size must be one of"):
        SPACES["hetvs-s"].validate(space_of("hetvs-s", [96]).smallest())
    with pytest.raises(ConfigError, match="is of space 'shuffle'"):
        SPACES["hetvs-s"].validate(SPACES["shuffle"].smallest())
