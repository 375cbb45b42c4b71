"""Settings of `hetvs finetune-linear`."""

from __future__ import annotations

from dataclasses import dataclass

from hetvs.settings import require, require_choice, setting

DAMPINGS = ("exact", "split")  # each is a line of hetvs.linear.preconditioner.DAMPINGS
SOLVERS = ("cg", "sgd", "dual")
TARGETS = ("cloud", "labels")


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """`hetvs finetune-linear`: a trained model is adapted as a convex problem around its weights."""

    target: str = setting("cloud", "what is fitted: the cloud's vectors, or one-hot labels", choices=TARGETS)
    layers: int = setting(3, "last convolutions and linears that adapt, the projection being one; 0 takes all")
    fold: bool = setting(True, "fold batch norms into the convolutions first; without, they adapt apart (as published)")
    solver: str = setting("cg", "conjugate gradients, stochastic gradients, or the exact dual", choices=SOLVERS)
    kfac: bool = setting(True, "precondition by Kronecker factors")
    damping: str = setting("exact", "lambda in the eigenbases of the factors, or split between them", choices=DAMPINGS)
    ridge: float = setting(
        10.0, "lambda, a share of the mean diagonal of J^T J / n; labels want less; 0: leave-one-out chooses (dual)"
    )
    alpha: float = setting(15.0, "height of a one-hot target")
    tolerance: float = setting(1e-3, "relative residual of the normal equations to stop at")
    steps: int = setting(200, "most steps of cg, most passes of sgd")
    batch_size: int = setting(64, "images in a pass through the network, and in a step of sgd", short="b")
    rows: str = setting("", "adapt on train rows where COLUMN=VALUE only, for example domain=noto")
    images: int = setting(0, "draw at most this many train images; 0 takes all")
    per_class: int = setting(0, "draw at most this many train images of each class; 0 takes all")
    draw_seed: int = setting(0, "seed of that draw")
    without: str = setting("", "ids of train images to take away exactly after the solve (dual), commas between")
    influence: int = setting(0, "val images to explain by the train images that moved them (dual), as pictures")
    seed: int = setting(0, "seed of the order of sgd and of the K-FAC draws; the solution does not depend on it")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_choice("target", self.target, TARGETS)
        require_choice("damping", self.damping, DAMPINGS)
        require_choice("solver", self.solver, SOLVERS)
        for name in ("layers", "ridge", "images", "per_class", "draw_seed", "influence", "seed", "threads"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("alpha", "tolerance"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("steps", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        for name, asked in (("ridge = 0", not self.ridge), ("without", self.without), ("influence", self.influence)):
            require(not asked or self.solver == "dual", f"{name} needs the exact solution; add --solver dual")
        require(not (self.without and self.influence), "influence is that of the images that are there; drop without")
