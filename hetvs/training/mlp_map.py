"""A small residual MLP that maps vectors into another space and predicts how wrong it is."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetvs.config import AdaptConfig, LoopConfig
from hetvs.losses.influence import influence
from hetvs.models.storage import Prototypes
from hetvs.training.loop import Stage, prepare, train
from hetvs.training.ridge import ridge

STEP_PAIRS = 128
DECAY = 0.99  # of the averaged weights: a fit takes a thousand steps or so


def uncertain_error(error_B: Tensor, log_variance_B: Tensor, dim: int) -> Tensor:
    """Return error^2 / (2 sigma^2) + (D/2) log sigma^2 per row (B,), least at sigma^2 = error^2 / D.

    `error_B` are squared distances. FastFill (ICLR 2023); published details uncertain, this is our specification:
    one sigma for all D components.

    >>> uncertain_error(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 1.0]).log(), 2)
    tensor([-0.3863,  0.2500])
    """
    return error_B / (2 * log_variance_B.exp()) + dim / 2 * log_variance_B


class MapNet(nn.Module):
    """norm(W x + b + V relu(U x + u)) and log sigma^2 of its error; at first W and b are those of ridge and V is 0."""

    def __init__(self, weight_DD: Tensor, bias_D: Tensor, hidden: int) -> None:
        super().__init__()
        dim_to, dim_from = weight_DD.shape
        self.weight = nn.Parameter(weight_DD.float())
        self.bias = nn.Parameter(bias_D.float())
        self.hidden = nn.Linear(dim_from, hidden)
        self.out = nn.Linear(hidden, dim_to, bias=False)
        self.variance = nn.Linear(hidden, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.variance.weight)

    def forward(self, vectors_BD: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors (B, D_to) and log sigma^2 (B,)."""
        hidden_BH = F.relu(self.hidden(vectors_BD))
        placed_BD = F.linear(vectors_BD, self.weight, self.bias) + self.out(hidden_BH)
        return F.normalize(placed_BD, dim=-1), self.variance(hidden_BH).squeeze(-1)


@dataclass(frozen=True)
class Pairs:
    """What a map learns from: unit vectors (n, D) of the same n images in both spaces, and how the target classifies.

    `labels_n` are rows of `prototypes`; a number beyond them is a class that the target's classifier lacks.
    """

    source_nD: Tensor
    target_nD: Tensor
    labels_n: Tensor
    prototypes: Prototypes


class MapStage(Stage):
    """The pairs of vectors of n images in both spaces."""

    title = "map"
    model: MapNet

    def __init__(self, model: MapNet, pairs: Pairs, classifier: float) -> None:
        self.model, self.pairs, self.classifier = model, pairs, classifier
        self.images = len(pairs.source_nD)

    def terms(self, images_B: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """Return the mean uncertain error, a component (so that D does not weigh), and the target's classifier."""
        images, pairs = torch.from_numpy(images_B), self.pairs
        placed_BD, log_variance_B = self.model(pairs.source_nD[images])
        error_B = (placed_BD - pairs.target_nD[images]).square().sum(-1)
        dim = placed_BD.shape[1]
        terms = {"uncertain_error": uncertain_error(error_B, log_variance_B, dim).mean() / dim}
        if self.classifier:
            rows_CD, scale = pairs.prototypes.rows_CD, pairs.prototypes.scale
            terms["classifier"] = self.classifier * influence(placed_BD, rows_CD, pairs.labels_n[images], scale=scale)
        return terms

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return nothing: the map is judged by what it finds."""
        return {}


def fit_mlp(pairs: Pairs, config: AdaptConfig) -> dict[str, np.ndarray]:
    """Return the arrays of an MLP map (see `SpaceMap`), trained by the one loop; it takes seconds."""
    schedule = LoopConfig(
        epochs=config.epochs,
        batch_size=STEP_PAIRS,
        lr=config.lr,
        ema=DECAY,
        seed=config.seed,
        threads=config.threads,
        amp="off",
    )
    prepare(schedule)
    model = MapNet(*ridge(pairs.source_nD, pairs.target_nD, config.damping), config.hidden)
    left = (model(pairs.source_nD)[0] - pairs.target_nD).square().sum(-1).mean().detach()
    nn.init.constant_(model.variance.bias, float((left / pairs.target_nD.shape[1]).clamp_min(1e-8).log()))
    with tempfile.TemporaryDirectory() as folder:
        trained = train(MapStage(model, pairs, config.classifier), schedule, Path(folder), resume=False)
    return {name: tensor.detach().contiguous().numpy() for name, tensor in trained.state_dict().items()}
