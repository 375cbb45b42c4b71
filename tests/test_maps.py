from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hetvs.artifacts import EmbeddingSet, SpaceCard
from hetvs.config import AdaptConfig
from hetvs.errors import ArtifactError, ConfigError, IncompatibleSpaceError
from hetvs.models.map_storage import ARRAYS_NAME, load_map, save_map
from hetvs.models.storage import Prototypes
from hetvs.refresh.maps import MapCard, SpaceMap, digest_of, mapped
from hetvs.refresh.versions import VersionedVectors
from hetvs.training.adapt import fit
from hetvs.training.closed_maps import lambda_orthogonal, orthogonality_penalty, procrustes
from hetvs.training.mlp_map import MapNet, MapStage, Pairs, uncertain_error


def unit(rows_nD: np.ndarray) -> np.ndarray:
    return (rows_nD / np.linalg.norm(rows_nD, axis=1, keepdims=True)).astype(np.float32)


def space(name: str, dim: int) -> SpaceCard:
    return SpaceCard(teacher_digest=name, preprocess_digest="toy", dim=dim)


def pairs(n: int, dim: int, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors, the same turned (and blurred), and the rotation W: target = source W^T."""
    random = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(random.normal(size=(dim, dim)))
    source = unit(random.normal(size=(n, dim)))
    return source, unit(source @ turn.T + noise * random.normal(size=source.shape)), turn


def as_pairs(source_nD: np.ndarray, target_nD: np.ndarray) -> Pairs:
    """Pairs without a class that the target knows."""
    none = Prototypes(torch.zeros(1, target_nD.shape[1]), ("x",), 1.0)
    return Pairs(torch.from_numpy(source_nD), torch.from_numpy(target_nD), torch.full((len(source_nD),), -1), none)


def a_map(arrays: dict[str, np.ndarray], begins: SpaceCard, ends: SpaceCard, **more: str) -> SpaceMap:
    card = MapCard(
        method="ridge",
        direction="forward",
        from_space=begins,
        to_space=ends,
        from_model=more.get("from_model", "v1"),
        to_model=more.get("to_model", "v2"),
        weights_digest=digest_of(arrays),
        pairs=4,
        fitted={},
    )
    return SpaceMap(card, arrays)


def linear(weight_DD: np.ndarray) -> dict[str, np.ndarray]:
    return {"weight": weight_DD.astype(np.float32), "bias": np.zeros(len(weight_DD), np.float32)}


def test_procrustes_of_the_worked_example():
    target = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(procrustes(torch.eye(2), target).T, target)


def test_the_worked_penalties():
    weight = torch.diag(torch.tensor([1.2, 0.8], dtype=torch.float64))
    assert orthogonality_penalty(weight, 0.5).item() == pytest.approx(0.3779825, abs=1e-6)
    assert orthogonality_penalty(weight, 0.6).item() == pytest.approx(0.2398595, abs=1e-6)


@pytest.mark.parametrize("method", ["ridge", "procrustes", "lambda-orthogonal"])
def test_closed_forms_find_a_rotation(method: str):
    source, target, turn = pairs(200, 8)
    arrays = fit(as_pairs(source, target), AdaptConfig(method=method, damping=1e-9))
    np.testing.assert_allclose(arrays["weight"], turn, atol=1e-3)
    np.testing.assert_allclose(arrays["bias"], 0, atol=1e-3)


@given(seed=st.integers(0, 30))
def test_procrustes_is_orthogonal_and_no_random_rotation_is_nearer(seed: int):
    source, target, _ = pairs(40, 5, noise=0.5, seed=seed)
    weight = procrustes(torch.from_numpy(source), torch.from_numpy(target)).numpy()
    np.testing.assert_allclose(weight @ weight.T, np.eye(5), atol=1e-9)
    left = np.linalg.norm(source @ weight.T - target)
    for other in range(5):
        turn, _ = np.linalg.qr(np.random.default_rng(other).normal(size=(5, 5)))
        assert left <= np.linalg.norm(source @ turn.T - target) + 1e-6


def test_lambda_says_how_far_from_orthogonal_a_map_may_be():
    """Vectors that a stretch and not a rotation maps: a small lambda keeps the map near the orthogonal ones."""
    source = unit(np.random.default_rng(0).normal(size=(300, 4)))
    target = source @ np.diag([1.5, 1.0, 1.0, 0.3])
    sides = (torch.from_numpy(source), torch.from_numpy(target))
    far = [np.linalg.norm(w @ w.T - np.eye(4)) for w in (lambda_orthogonal(*sides, lam).numpy() for lam in (0.0, 5.0))]
    assert far[0] < 0.2
    assert far[1] > 1.0
    np.testing.assert_allclose(lambda_orthogonal(*sides, 50.0).numpy(), np.diag([1.5, 1.0, 1.0, 0.3]), atol=1e-2)


def test_the_worked_uncertain_errors():
    found = uncertain_error(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 1.0]).log(), 2)
    assert found.tolist() == pytest.approx([-0.3862944, 0.25], abs=1e-6)
    around = [uncertain_error(torch.tensor(0.5), torch.tensor(s).log(), 2).item() for s in (0.2, 0.25, 0.3)]
    assert min(around) == around[1]  # error^2 / D is the optimum


def test_an_mlp_beats_the_ridge_where_the_map_bends_and_knows_where_it_is_wrong():
    random = np.random.default_rng(0)
    source = unit(random.normal(size=(600, 6)))
    noisy = source[:, 0] > 0  # one half-space cannot be predicted
    target = unit(np.abs(source) + np.where(noisy, 0.8, 0.0)[:, None] * random.normal(size=source.shape))
    fitted = {}
    for method in ("ridge", "mlp"):
        arrays = fit(as_pairs(source, target), AdaptConfig(method=method, epochs=60, lr=1e-2, hidden=64, threads=1))
        fitted[method] = a_map(arrays, space("a", 6), space("b", 6))
    error = {name: np.square(m.place(source) - target).sum(axis=1) for name, m in fitted.items()}
    assert error["mlp"][~noisy].mean() < 0.5 * error["ridge"][~noisy].mean()
    variance = np.exp(fitted["mlp"].log_variance(source))
    assert variance[noisy].mean() > 2 * variance[~noisy].mean()
    with pytest.raises(ValueError, match="predicts no variance"):
        fitted["ridge"].log_variance(source)


def test_the_classifier_of_the_target_weighs_its_own_term_alone():
    source, target, _ = pairs(8, 4)
    prototypes = Prototypes(torch.eye(4), tuple("abcd"), 2.0)
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 7, -1])  # the last two are of no class that it knows
    paired = Pairs(torch.from_numpy(source), torch.from_numpy(target), labels, prototypes)
    net = MapNet(torch.eye(4), torch.zeros(4), hidden=3)
    images = np.arange(8)
    without, light, heavy = (MapStage(net, paired, weight).terms(images, 0) for weight in (0.0, 1.0, 3.0))
    assert {*without} == {"uncertain_error"}
    assert light["uncertain_error"].item() == without["uncertain_error"].item()
    assert heavy["classifier"].item() == pytest.approx(3 * light["classifier"].item())
    logits = 2.0 * source[:6]
    naive = np.mean([np.log(np.exp(row).sum()) - row[c] for row, c in zip(logits, labels[:6].tolist(), strict=True)])
    assert light["classifier"].item() == pytest.approx(naive, abs=1e-5)


def test_numpy_applies_what_torch_trained():
    torch.manual_seed(0)
    net = MapNet(torch.randn(5, 3), torch.randn(5), hidden=7)
    torch.nn.init.normal_(net.out.weight)
    torch.nn.init.normal_(net.variance.weight)
    arrays = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    source = unit(np.random.default_rng(0).normal(size=(9, 3)))
    space_map = a_map(arrays, space("a", 3), space("b", 5))
    with torch.no_grad():
        placed, log_variance = net(torch.from_numpy(source))
    np.testing.assert_allclose(space_map.place(source), placed.numpy(), atol=1e-6)
    np.testing.assert_allclose(space_map.log_variance(source), log_variance.numpy(), atol=1e-5)


def test_other_dimensions_need_a_ridge():
    source, target = pairs(50, 6)[0], pairs(50, 4)[0]
    for method in ("procrustes", "lambda-orthogonal"):
        with pytest.raises(ConfigError, match="needs spaces of one dimension, got 6 and 4"):
            fit(as_pairs(source, target), AdaptConfig(method=method))
    assert fit(as_pairs(source, target), AdaptConfig())["weight"].shape == (4, 6)


def test_mapped_vectors_carry_the_new_space_and_what_made_them():
    begins, ends = space("old", 3), space("new", 3)
    vectors = EmbeddingSet(unit(np.eye(3) + 0.1), ("a", "b", "c"), begins, "v1")
    turn = a_map(linear(np.eye(3)[[1, 2, 0]]), begins, ends)
    found = mapped(turn, VersionedVectors.single(vectors, "gallery"), "vectors/old")
    assert found.vectors.space == ends
    assert found.vectors.model_digest not in ("v1", "v2")
    (version,) = found.versions
    assert (version.model_digest, version.space_id, version.maps) == (
        "v1",
        begins.space_id,
        (turn.card.weights_digest,),
    )
    np.testing.assert_allclose(found.vectors.vectors_ND, vectors.vectors_ND[:, [1, 2, 0]], atol=1e-6)


def test_the_wrong_direction_is_refused():
    begins, ends = space("old", 3), space("new", 3)
    turn = a_map(linear(np.eye(3)), begins, ends)
    for here, said in ((ends, "the wrong direction; fit one with --from and --to exchanged"), (space("x", 3), "leads")):
        stranger = VersionedVectors.single(EmbeddingSet(np.eye(3, dtype=np.float32), ("a", "b", "c"), here, "v2"), "g")
        with pytest.raises(IncompatibleSpaceError, match=said):
            mapped(turn, stranger, "vectors/new")


def test_inside_one_space_the_model_tells_the_direction():
    here = space("shared", 3)
    turn = a_map(linear(np.eye(3)), here, here)
    by = {v: EmbeddingSet(np.eye(3, dtype=np.float32), ("a", "b", "c"), here, v) for v in ("v1", "v2")}
    once = mapped(turn, VersionedVectors.single(by["v1"], "g"), "old")
    for refused in (VersionedVectors.single(by["v2"], "g"), once):
        with pytest.raises(IncompatibleSpaceError, match="leads from model v1 to v2 of the same space"):
            mapped(turn, refused, "new")


def test_a_map_survives_its_file_and_notices_a_change(tmp_path: Path):
    turn = a_map(linear(np.eye(3)), space("old", 3), space("new", 3))
    save_map(tmp_path / "m", turn)
    loaded = load_map(tmp_path / "m")
    assert loaded.card == turn.card
    np.testing.assert_array_equal(loaded.arrays["weight"], turn.arrays["weight"])
    other = a_map(linear(2 * np.eye(3)), space("old", 3), space("new", 3))
    save_map(tmp_path / "other", other)
    (tmp_path / "m" / ARRAYS_NAME).write_bytes((tmp_path / "other" / ARRAYS_NAME).read_bytes())
    with pytest.raises(ArtifactError, match=r"differs from the digest in card.json"):
        load_map(tmp_path / "m")
    (tmp_path / "m" / ARRAYS_NAME).write_bytes(b"short")
    with pytest.raises(ArtifactError, match="corrupt"):
        load_map(tmp_path / "m")
    with pytest.raises(ArtifactError, match="holds no map"):
        load_map(tmp_path)


def test_a_map_of_another_shape_is_no_map():
    with pytest.raises(ArtifactError, match="does not lead from D=3 to D=4"):
        a_map(linear(np.eye(3)), space("old", 3), space("new", 4))
