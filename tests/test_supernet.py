"""Weight sharing: a path through the supernet is the network that is extracted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hetvs.errors import ConfigError
from hetvs.models.cost import macs_of, parameters_of
from hetvs.nas import operators
from hetvs.nas.cut import cut
from hetvs.nas.recalibration import recalibrate
from hetvs.nas.space import SPACES, Architecture, Block, Space, space_of
from hetvs.nas.supernet import Supernet, embedder_of

DIM = 16
SMALL = {name: space_of(name, [32, 64]) for name in SPACES}


def supernet_of(space: Space, *, affine: bool = True) -> Supernet:
    torch.manual_seed(0)
    return Supernet(space, DIM, affine=affine)


@pytest.fixture(scope="module")
def supernets() -> dict[str, Supernet]:
    return {name: supernet_of(space) for name, space in SMALL.items()}


def pixels_of(arch: Architecture, count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, arch.img_size, arch.img_size), generator=generator, dtype=torch.uint8)


@settings(max_examples=6)
@given(name=st.sampled_from(sorted(SPACES)), seed=st.integers(0, 2**32 - 1))
def test_costs_are_those_of_the_network_that_runs(name: str, seed: int) -> None:
    arch = SMALL[name].sample(np.random.default_rng(seed))
    alone = embedder_of(arch, DIM)
    assert operators.macs_of(arch, DIM) == macs_of(alone, arch.img_size)
    assert operators.parameters_of(arch, DIM) == parameters_of(alone)


@settings(max_examples=6)
@given(name=st.sampled_from(sorted(SPACES)), seed=st.integers(0, 2**32 - 1))
def test_an_extracted_subnet_equals_its_path(name: str, seed: int, supernets: dict[str, Supernet]) -> None:
    supernet, arch = supernets[name], SMALL[name].sample(np.random.default_rng(seed))
    pixels = pixels_of(arch, 3, seed)
    alone = supernet.subnet(arch)
    for mode in (False, True):  # by the statistics that are kept, and by those of the batch
        supernet.train(mode)
        with torch.no_grad():
            torch.testing.assert_close(alone.train(mode)(pixels), supernet(pixels, arch), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_weight_is_on_the_path_of_some_architecture(name: str) -> None:
    supernet, space = supernet_of(SMALL[name]), SMALL[name]
    for op in space.ops:
        arch = space.largest(op)
        supernet(pixels_of(arch, 2), arch).sum().backward()
    assert all(weight.grad is not None for weight in supernet.parameters())
    largest = parameters_of(embedder_of(space.largest(), DIM))
    total = parameters_of(supernet)
    assert largest <= total < len(space.ops) * largest
    assert (total == largest) == (name == "lite")  # whose small kernels are the centres of large ones


def test_a_path_teaches_its_own_cut_alone() -> None:
    supernet = supernet_of(SMALL["hetvs-s"]).train()
    arch = SMALL["hetvs-s"].smallest()
    supernet(pixels_of(arch, 4), arch)[:, 0].sum().backward()
    kernel = supernet.get_parameter("embedder.trunk.stage2_0.depthwise.0.weight").grad
    assert kernel is not None
    used = kernel.abs().sum(1) > 0
    assert used[:16, 2:5, 2:5].all()  # 8 channels, twice, and the 3 x 3 centre of 7 x 7
    assert int(used.sum()) == 16 * 9
    assert supernet.get_parameter("embedder.trunk.stage2_1.body.expand.0.weight").grad is None


def test_a_cut_takes_leading_channels_and_the_centre_of_a_kernel() -> None:
    weight = torch.arange(2 * 3 * 5 * 5).view(2, 3, 5, 5)
    assert torch.equal(cut(weight, torch.Size([1, 2, 3, 3])), weight[:1, :2, 1:4, 1:4])
    assert cut(weight, weight.shape) is weight


def test_without_scales_a_subnet_still_trains_alone() -> None:
    supernet = supernet_of(SMALL["shuffle"], affine=False)
    arch = SMALL["shuffle"].smallest()
    assert not any("trunk.stem.1" in name for name, _ in supernet.named_parameters())
    alone = supernet.subnet(arch)
    assert torch.equal(alone.get_parameter("trunk.stem.1.weight"), torch.ones(16))
    torch.testing.assert_close(alone(pixels_of(arch, 2)), supernet.eval()(pixels_of(arch, 2), arch), atol=1e-5, rtol=0)


def test_an_architecture_of_another_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="is of space 'shuffle'"):
        supernet_of(SMALL["hetvs-s"]).subnet(SMALL["shuffle"].smallest())


def test_recalibration_changes_a_subnet_once() -> None:
    supernet, space = supernet_of(SMALL["hetvs-s"]).train(), SMALL["hetvs-s"]
    for seed in range(5):  # statistics of other paths
        arch = space.sample(np.random.default_rng(seed))
        with torch.no_grad():
            supernet(pixels_of(arch, 8, seed), arch)
    arch = space.largest("dw3")
    batches, asked = [pixels_of(arch, 16, seed) for seed in (7, 8)], pixels_of(arch, 4, 9)
    alone = supernet.subnet(arch)
    seen = [alone(asked)]
    for _ in range(2):
        recalibrate(alone, batches)
        assert not alone.training
        seen.append(alone(asked))
    assert (seen[1] - seen[0]).abs().max() > 0.01
    assert torch.equal(seen[2], seen[1])
    assert {m.momentum for m in alone.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}
    assert (
        supernet.subnet(arch).trunk.get_buffer("stem.1.num_batches_tracked") == 5
    )  # the supernet's own are as they were


def test_recalibrated_statistics_are_the_plain_mean_over_the_batches() -> None:
    norm = nn.Sequential(nn.BatchNorm2d(1))
    batches = [torch.full((2, 1, 2, 2), value) for value in (1.0, 3.0, 8.0)]
    recalibrate(norm, batches)
    assert norm.get_buffer("0.running_mean").tolist() == [4.0]


def test_a_block_is_named_by_what_it_shares() -> None:
    space = SMALL["hetvs-s"]
    names = [set(embedder_of(space.largest(op), DIM).state_dict()) for op in ("dw3", "dw7", "xception3")]
    assert names[0] == names[1] != names[2]
    changed = Architecture("hetvs-s", ((Block("dw3", 2),),) * 4, 0.5, 32)
    assert set(embedder_of(changed, DIM).state_dict()) < names[0]
