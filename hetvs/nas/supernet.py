"""One set of weights for every architecture of a space: a path through it is a cut of each of its tensors.

The supernet holds the union of the networks of its space at their largest. A smaller network takes the
leading channels and the centre of a kernel (Once-for-All, arXiv 1908.09791; BigNAS, arXiv 2003.11142),
and runs as itself on those cuts: so what is extracted is what was trained.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hetvs.models.embedder import Embedder
from hetvs.nas.cut import cut
from hetvs.nas.network import preprocess_of, searched
from hetvs.nas.space import Architecture, Space

SHAPES_KEPT = 256  # networks without values, to run paths by


class Supernet(nn.Module):
    """The shared weights of the embedders of a space, D = `dim`."""

    def __init__(self, space: Space, dim: int, *, affine: bool = True) -> None:
        super().__init__()
        self.space, self.dim, self.affine = space, dim, affine
        self.embedder = embedder_of(space.largest(), dim, affine=affine)  # to hold its values, not to be called
        for op in space.ops[:-1]:
            _graft(self.embedder, embedder_of(space.largest(op), dim, affine=affine))

    def forward(self, pixels: Tensor, arch: Architecture) -> Tensor:
        """Return the unit vectors (B, D) of pixels (B, 3, S, S) along the path of `arch`."""
        path = _shape_of(arch, self.dim, self.affine).train(self.training)
        held = {**dict(self.embedder.named_parameters()), **dict(self.embedder.named_buffers())}
        asked = [*path.named_parameters(), *path.named_buffers()]
        vectors: Tensor = functional_call(path, {name: cut(held[name], like.shape) for name, like in asked}, (pixels,))
        return vectors

    def subnet(self, arch: Architecture) -> Embedder:
        """Return `arch` as an embedder of its own, in eval mode; its batch norms still have statistics of many paths.

        Recalibrate it before it is judged or exported. Raises ConfigError outside the space.
        """
        self.space.validate(arch)
        alone = embedder_of(arch, self.dim)
        held = self.embedder.state_dict()
        state = alone.state_dict()  # scale 1 and shift 0 stay where the supernet's norms have none
        state |= {name: cut(held[name], like.shape) for name, like in state.items() if name in held}
        alone.load_state_dict(state)
        return alone.eval()


def embedder_of(arch: Architecture, dim: int, *, affine: bool = True) -> Embedder:
    """Return the untrained embedder of `arch`."""
    trunk, features = searched(arch, affine=affine)
    return Embedder(trunk, features, dim, preprocess_of(arch.space, arch.img_size))


@lru_cache(SHAPES_KEPT)
def _shape_of(arch: Architecture, dim: int, affine: bool) -> Embedder:
    """Return the network of `arch` without values: the order of its layers, to be run on those of a supernet."""
    with torch.device("meta"):
        return embedder_of(arch, dim, affine=affine)


def _graft(tree: nn.Module, branch: nn.Module) -> None:
    """Give `tree` the modules of `branch` that it lacks."""
    ours = dict(tree.named_children())
    for name, child in branch.named_children():
        if name in ours:
            _graft(ours[name], child)
        else:
            tree.add_module(name, child)
