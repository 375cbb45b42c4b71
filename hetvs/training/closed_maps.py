"""Linear maps between two spaces, from the vectors of the same images in both; in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from hetvs.errors import ConfigError

STEEPNESS = 10.0  # a of the penalty sigmoid(a (dev - lambda)) * dev
STEPS = 200


def procrustes(source_nD: Tensor, target_nD: Tensor) -> Tensor:
    """Return the orthogonal W (D, D) with the least ||A W^T - B||_F; reflections are allowed.

    SVD of A^T B = U S V^T gives W^T = U V^T (Schoenemann, 1966). ConfigError when the dimensions differ.

    >>> procrustes(torch.eye(2), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).T.round()
    tensor([[ 0.,  1.],
            [-1.,  0.]], dtype=torch.float64)
    """
    require_square(source_nD, target_nD, "procrustes")
    left, _, right = torch.linalg.svd(source_nD.double().T @ target_nD.double())
    weight_DD: Tensor = (left @ right).T
    return weight_DD


def lambda_orthogonal(source_nD: Tensor, target_nD: Tensor, orthogonality: float) -> Tensor:
    """Return W (D, D) with the least mean ||W a - b||^2 + `orthogonality_penalty`, starting at `procrustes`.

    The relaxed form of arXiv 2509.16664; the published batch size and steps are uncertain, so this is our
    specification: the mean over all n rows, minimised by L-BFGS. ConfigError when the dimensions differ.
    """
    source, target = source_nD.double(), target_nD.double()
    gram, cross, rest = (a.T @ b / len(source) for a, b in ((source, source), (source, target), (target, target)))
    start = procrustes(source, target)
    # A hair off the orthogonal: there the norm in the penalty has no gradient.
    weight = (start * (1 - 1e-6)).contiguous().requires_grad_()
    search = torch.optim.LBFGS([weight], max_iter=STEPS, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

    def objective() -> Tensor:
        search.zero_grad()
        error = (weight @ gram * weight).sum() - 2 * (weight * cross.T).sum() + rest.trace()
        loss = error + orthogonality_penalty(weight, orthogonality)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    search.step(objective)  # type: ignore[no-untyped-call]
    return weight.detach()


def orthogonality_penalty(weight_DD: Tensor, orthogonality: float) -> Tensor:
    """Return sigmoid(a (dev - lambda)) * dev with dev = ||W W^T - I||_F: next to nothing below lambda.

    >>> orthogonality_penalty(torch.diag(torch.tensor([1.2, 0.8])), 0.5)
    tensor(0.3780)
    """
    eye = torch.eye(len(weight_DD), dtype=weight_DD.dtype)
    deviation: Tensor = torch.linalg.matrix_norm(weight_DD @ weight_DD.T - eye)
    return torch.sigmoid(STEEPNESS * (deviation - orthogonality)) * deviation


def require_square(source_nD: Tensor, target_nD: Tensor, method: str) -> None:
    """Raise ConfigError unless both spaces have one dimension."""
    if source_nD.shape[1] != target_nD.shape[1]:
        raise ConfigError(
            f"{method} needs spaces of one dimension, got {source_nD.shape[1]} and {target_nD.shape[1]}; "
            "take --method ridge or mlp"
        )
