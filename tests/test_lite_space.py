"""Space `lite`: cuts of a pretrained network that are that network where nothing is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hetvs.models.backbones import build_backbone
from hetvs.models.cost import macs_of as macs_that_run
from hetvs.models.cost import parameters_of as parameters_that_are
from hetvs.nas.cut import cut
from hetvs.nas.lite import imagenet_state, load_imagenet
from hetvs.nas.network import searched
from hetvs.nas.operators import macs_of, parameters_of
from hetvs.nas.space import SPACES, Architecture, Block, encode
from hetvs.nas.supernet import Supernet, embedder_of
from hetvs.preprocess import Preprocess

LITE = SPACES["lite"]
# The kernels that EfficientNet-Lite0 was trained with, stage by stage.
TRAINED = tuple((Block(f"dw{k}", 6),) * depth for k, depth in ((3, 2), (5, 2), (3, 3), (5, 3)))


def pixels(size: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [32, 40, 48])  # 40 px makes a map of 5: its padding is another
@pytest.mark.parametrize("largest", [False, True])
def test_the_uncut_architecture_is_the_pretrained_network(size: int, largest: bool) -> None:
    theirs = build_backbone("efficientnet_lite0", {"blocks": 11}, size, pretrained=True)
    arch = LITE.largest() if largest else Architecture("lite", TRAINED, 1.0, size)  # rings of zeros change nothing
    trunk, features = searched(arch)
    load_imagenet(trunk)
    with torch.inference_mode():
        torch.testing.assert_close(trunk.eval()(pixels(size)), theirs.trunk.eval()(pixels(size)), rtol=1e-4, atol=1e-5)
    assert features == theirs.features
    assert Preprocess(size_px=size, mean=(127.0,) * 3, std=(128.0,) * 3) == theirs.preprocess


def test_inner_channels_are_in_the_order_of_their_weight() -> None:
    weights = imagenet_state()["stage2_1.body.project.conv.weight"].abs().sum((0, 2, 3))
    assert bool((weights.diff() <= 0).all())


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_begins_with_the_heaviest_channels_and_the_centre_of_kernels(seed: int) -> None:
    arch = LITE.sample(np.random.default_rng(seed))
    backbone = build_backbone("searched", {"genes": encode(arch)}, arch.img_size, pretrained=True)
    held = imagenet_state()
    for name, value in backbone.trunk.state_dict().items():
        torch.testing.assert_close(value, cut(held[name], value.shape), rtol=0, atol=0)


@pytest.mark.parametrize("arch", [LITE.smallest(), LITE.largest(), LITE.sample(np.random.default_rng(1))], ids=str)
def test_costs_are_those_of_the_network_that_runs(arch: Architecture) -> None:
    model = embedder_of(arch, 128)
    assert macs_of(arch, 128) == macs_that_run(model, arch.img_size)
    assert parameters_of(arch, 128) == parameters_that_are(model)


def test_a_path_is_its_subnet() -> None:
    supernet = Supernet(LITE, 16)
    load_imagenet(supernet.embedder.trunk)
    supernet.eval()
    arch = LITE.sample(np.random.default_rng(2))
    images = torch.randint(0, 256, (2, 3, arch.img_size, arch.img_size), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(supernet(images, arch), supernet.subnet(arch)(images), rtol=0, atol=0)
