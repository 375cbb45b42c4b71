"""The tangent network against torch.func.jvp, by hand, by finite differences, and as an embedder."""

from __future__ import annotations

from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from export.to_onnx import to_onnx
from hetvs.artifacts import ModelCard, SpaceCard
from hetvs.errors import ConfigError
from hetvs.linear.graph import activations_of, layers_of, plain_graph, split_at
from hetvs.linear.network import Linearised, TangentTrunk, to_tangent_state
from hetvs.linear.rules import Stream
from hetvs.models.embedder import Embedder
from hetvs.models.storage import weights_digest
from hetvs.preprocess import Preprocess
from tests.tiny_tangent import embedder_of, pixels_of, small_embedder

BACKBONES = [
    ("hetvs/edgenet", {"width": 0.5, "depth": 2}),
    ("hetvs/resnet18", {}),
    ("efficientnet_lite0", {"blocks": 5}),
    ("torchvision/shufflenet_v2_x0_5", {}),
]
MORE_BACKBONES = [
    ("torchvision/mobilenet_v2", {}),
    ("torchvision/mobilenet_v3_small", {}),
    ("torchvision/mnasnet0_5", {}),
    ("torchvision/resnet50", {}),
    ("torchvision/densenet121", {}),
    ("torchvision/squeezenet1_1", {}),
    ("torchvision/regnet_y_400mf", {}),
    ("efficientnet_lite0", {}),
]


class _Plain(nn.Module):
    def __init__(self, net: Linearised) -> None:
        super().__init__()
        self.net = net

    def forward(self, prefix: Tensor) -> Tensor:
        return self.net.plain(prefix)


# The first forward-mode call in a process makes torch script its own decompositions, which it says is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is:FutureWarning")


def jvp_of(net: Linearised, prefix: Tensor, delta_P: Tensor) -> Tensor:
    """J dw by torch's own forward mode, with dw cut by the names of the layers."""
    homes = {name: ("net." if name == "projection" else "net.trunk.after.") + name for name in net.layers()}
    weights = {f"{homes[n]}.{part}": p.detach() for n, m in net.layers().items() for part, p in m.named_parameters()}
    pieces = delta_P.split([value.numel() for value in weights.values()])
    along = {name: piece.view_as(weights[name]) for name, piece in zip(weights, pieces, strict=True)}
    plain = _Plain(net)
    _, tangent = jvp(lambda values: functional_call(plain, values, (prefix,)), (weights,), (along,))
    return tangent


def check_against_jvp(name: str, options: dict[str, Any], fold: bool, layers: int, size_px: int = 16) -> None:
    embedder = embedder_of(name, options, size_px)
    net = Linearised(embedder, layers=layers, fold=fold)
    pixels = pixels_of(2, size_px)
    prefix = net.prefix(pixels)
    delta_P = 0.01 * torch.randn(net.size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    net.set_delta(delta_P)
    f0, tangent = net(prefix)
    raw = embedder.projection(embedder.trunk((pixels - embedder.mean) / embedder.std))
    torch.testing.assert_close(f0, raw, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(net.plain(prefix), raw, rtol=1e-9, atol=1e-9)
    expected = jvp_of(net, prefix, delta_P)
    assert (tangent - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")
@pytest.mark.parametrize("fold", [True, False], ids=["folded", "unfolded"])
@pytest.mark.parametrize(("name", "options"), BACKBONES, ids=[name for name, _ in BACKBONES])
def test_two_streams_equal_jvp(name: str, options: dict[str, Any], fold: bool) -> None:
    check_against_jvp(name, options, fold, layers=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")
@pytest.mark.parametrize("fold", [True, False], ids=["folded", "unfolded"])
@pytest.mark.parametrize(("name", "options"), MORE_BACKBONES, ids=[name for name, _ in MORE_BACKBONES])
def test_more_backbones_equal_jvp(name: str, options: dict[str, Any], fold: bool) -> None:
    check_against_jvp(name, options, fold, layers=8, size_px=32)


def test_the_layers_that_follow_the_cut_alone_adapt() -> None:
    for layers in (1, 2, 3, 0):
        check_against_jvp("hetvs/edgenet", {"width": 0.5, "depth": 1}, fold=True, layers=layers)


def test_worked_example() -> None:
    """W0 = [[1, -1], [2, 1]], dW = diag(.1, .2), leaky .1, h = (1, 1), dh = (0, .5), x = (1, 2): 3.9 + 2.41."""
    trunk = nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(0.1))
    embedder = Embedder(trunk, 2, 1, Preprocess(size_px=8)).double().eval()
    with torch.no_grad():
        trunk[0].weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 1.0]]))
        embedder.projection.weight.copy_(torch.ones(1, 2))
        for layer in (trunk[0], embedder.projection):
            nn.init.zeros_(layer.bias)
    net = Linearised(embedder, layers=0)
    net.set_delta(torch.tensor([0.1, 0, 0, 0.2, 0, 0, 0, 0.5, 0]))
    value, tangent = net(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    assert value.item() == pytest.approx(3.9)
    assert tangent.item() == pytest.approx(2.41)


def test_no_delta_gives_f0_exactly_and_the_output_is_affine_in_the_weights() -> None:
    net = Linearised(small_embedder(), layers=0)
    prefix = net.prefix(pixels_of(4))
    value, tangent = net(prefix)
    assert bool((tangent == 0).all())
    assert bool((value == net.plain(prefix)).all())
    a, b = torch.randn(2, net.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def f(delta_P: Tensor) -> Tensor:
        net.set_delta(delta_P)
        value, tangent = net(prefix)
        return value + tangent

    assert (f(a) + f(b) - 2 * f((a + b) / 2)).abs().max() < 1e-5


def test_the_tangent_is_what_finite_differences_give() -> None:
    net = Linearised(small_embedder(activation=nn.SiLU), layers=0)  # smooth: no kink within a step
    prefix = net.prefix(pixels_of(4))
    dw = torch.randn(net.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net.set_delta(dw)
    _, tangent = net(prefix)
    weights = [p for layer in net.layers().values() for p in layer.parameters()]
    first = [weight.detach().clone() for weight in weights]

    def moved(step: float) -> Tensor:
        with torch.no_grad():
            for weight, start, piece in zip(weights, first, dw.split([w.numel() for w in weights]), strict=True):
                weight.copy_(start + step * piece.view_as(weight))
            return net.plain(prefix)

    torch.testing.assert_close((moved(1e-5) - moved(-1e-5)) / 2e-5, tangent, rtol=1e-5, atol=1e-6)


def test_max_pool_takes_the_tangent_of_the_first_maximum() -> None:
    class Pool(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Conv2d(1, 1, 1)
            self.pool = nn.MaxPool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.pool(self.scale(x)).flatten(1)
            return y

    trunk = TangentTrunk(Pool(), ["scale"], fold=True)
    with torch.no_grad():
        trunk.after.scale.weight.fill_(1)
        trunk.after.scale.bias.fill_(0)
        trunk.deltas[0].weight.fill_(10)
        trunk.deltas[0].bias.fill_(0)
    found = trunk.streams(torch.tensor([[[[3.0, 1.0], [2.0, 3.0]]]]))
    assert (found.value.item(), found.tangent.item()) == (3, 30)


def test_folded_and_unfolded_are_one_function() -> None:
    embedder = small_embedder()
    pixels = pixels_of(3)
    folded, unfolded = (Linearised(embedder, layers=0, fold=fold) for fold in (True, False))
    value = unfolded.plain(unfolded.prefix(pixels))
    torch.testing.assert_close(folded.plain(folded.prefix(pixels)), value)
    assert unfolded.size == folded.size + 4  # gamma and beta of 4 channels instead of 4 biases


def test_it_ships_as_an_embedder_of_two_streams() -> None:
    embedder = small_embedder(dim=5)
    net = Linearised(embedder, layers=2)
    net.set_delta(0.1 * torch.randn(net.size, generator=torch.Generator().manual_seed(0)))
    shipped = Embedder(TangentTrunk(embedder.trunk, net.trunk.adapted, fold=True), 8, 5, Preprocess(size_px=8)).double()
    shipped.load_state_dict(to_tangent_state(net))
    pixels = pixels_of(3)
    value, tangent = net(net.prefix(pixels))
    torch.testing.assert_close(
        shipped.eval()(pixels.double()), nn.functional.normalize(value + tangent).float(), check_dtype=False
    )


def test_an_unsupported_operation_is_named() -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ConfigError, match="PReLU has no tangent rule"):
        plain_graph(trunk, fold=True)
    with pytest.raises(ConfigError, match="layers = 9, but the network has 3"):
        Linearised(small_embedder(), layers=9)


def test_a_graph_knows_its_layers_and_its_activations() -> None:
    graph = plain_graph(small_embedder().trunk, fold=True)
    assert list(layers_of(graph)) == ["0", "3.body.0"]
    assert activations_of(graph) == ["LeakyReLU(0.01)"]
    before, after = split_at(graph, "3.body.0")
    assert (list(layers_of(before)), list(layers_of(after))) == (["0"], ["3.body.0"])


def test_products_of_two_streams() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) * torch.sigmoid(self.b(x))

    torch.manual_seed(0)
    net = Linearised(Embedder(Gate(), 2, 2, Preprocess(size_px=8)).double().eval(), layers=0)
    x = torch.randn(3, 2, dtype=torch.float64)
    dw = torch.randn(net.size, dtype=torch.float64)
    net.set_delta(dw)
    torch.testing.assert_close(net(x)[1], jvp_of(net, x, dw))
    assert Stream(x).tangent is None


@pytest.mark.slow
def test_pooling_groups_and_kinks_are_exported_exactly() -> None:
    trunk = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.1), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(8, 8, 3, groups=4), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    ).eval()  # fmt: skip
    preprocess = Preprocess(size_px=16)
    embedder = Embedder(trunk, 8, 5, preprocess).eval()
    net = Linearised(embedder, layers=0)
    net.set_delta(0.1 * torch.randn(net.size, generator=torch.Generator().manual_seed(0)))
    shipped = Embedder(TangentTrunk(trunk, net.trunk.adapted, fold=True), 16, 5, preprocess).eval()
    shipped.load_state_dict(to_tangent_state(net))
    digest = weights_digest(shipped)
    space = SpaceCard(teacher_digest=digest, preprocess_digest=preprocess.digest(), dim=5)
    card = ModelCard(
        name="t", role="student", backbone="tangent/x", space=space, preprocess=preprocess, weights_digest=digest,
        macs=1, parameters=1,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(to_onnx(shipped, card, 18).SerializeToString())
    for seed in range(3):
        pixels = pixels_of(1, 16, seed)
        (found,) = session.run(None, {"pixels": pixels.permute(0, 2, 3, 1).numpy()})
        assert abs(found - shipped(pixels).detach().numpy()).max() <= 1e-4
