"""What a query costs besides the model: decoding the file, resizing it, searching the gallery.

The files are the bundle's two golden images (a few kB of PNG: a photograph costs more to decode), the
gallery is exact (faiss, inner product) over random unit vectors of the bundle's dimension: the time of
a flat search does not depend on what the vectors hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_bench.contender import Contender, runs_of
from edge_bench.host import pin
from edge_bench.measure import clock_resolution_ns, measure
from edge_bench.reference import gemm
from hetvs.artifacts import EdgeBundle
from hetvs.preprocess import fit_square, on_white, open_rgba

K = 10
OFFLINE_QUERIES = 32  # in one call of the offline search; the time is that of one query
Run = Callable[[], Any]


class QueryStages(Contender):
    """The stages of one bundle beside the reference kernel (final)."""

    def __init__(self, folder: Path, gallery: int, cores: list[int]) -> None:
        bundle = EdgeBundle.load(folder)
        self._calls = stage_calls(bundle, gallery)
        self._reference = gemm()
        pin(cores)
        resolution_ns = clock_resolution_ns()
        self._inner = {name: runs_of(measure(call, warmup=3, calls=5), resolution_ns) for name, call in self.everything}
        self.facts = {"runs_per_call": self._inner, "gallery": gallery, "dim": bundle.card.dim}

    @property
    def everything(self) -> list[tuple[str, Run]]:
        """The stages and the reference, by name."""
        return [*self._calls.items(), ("reference", self._reference)]

    def round(self, warmup: int, calls: int) -> dict[str, Any]:
        """Measure a block of each stage, then one of the reference."""
        answer = {}
        for name, call in self.everything:
            block = measure(call, warmup=warmup, calls=calls, inner=self._inner[name])
            answer[name] = {"wall_ns": block.wall_ns, "cpu_ns": block.cpu_ns}
        return answer

    def close(self) -> None:
        """Nothing was started."""


def stage_calls(bundle: EdgeBundle, gallery: int) -> dict[str, Run]:
    """Return one call per stage, in the order of a query; the golden files take turns."""
    paths = [bundle.folder / name for name in bundle.golden_files]
    images = [on_white(open_rgba(path)) for path in paths]
    size_px = bundle.card.preprocess.size_px
    next_path, next_image = itertools.cycle(paths), itertools.cycle(images)
    return {
        "decode": lambda: on_white(open_rgba(next(next_path))),
        "resize": lambda: np.array(fit_square(next(next_image), size_px)),
        **search_calls(bundle.golden_vectors, gallery),
    }


def search_calls(query_MD: np.ndarray, gallery: int) -> dict[str, Run]:
    """Return the search for one query (single-stream) and for 32 at once (offline); one thread."""
    import faiss

    faiss.omp_set_num_threads(1)
    dim = query_MD.shape[1]
    vector_ND = np.random.default_rng(0).standard_normal((gallery, dim), dtype=np.float32)
    vector_ND /= np.linalg.norm(vector_ND, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(dim)
    index.add(vector_ND)
    next_query = itertools.cycle([vector[None] for vector in query_MD])
    many_BD = np.resize(query_MD, (OFFLINE_QUERIES, dim))
    return {
        "search": lambda: index.search(next(next_query), K),
        "search offline": lambda: index.search(many_BD, K),
    }
