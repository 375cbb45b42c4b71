"""Two tables as one: images without labels beside those of a manifest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hetvs.manifest import Manifest


def with_unlabelled(manifest: Manifest, extra: Manifest) -> Manifest:
    """Return `manifest` with every row of `extra` after its own: in train, without label, asking nobody.

    Their ids are prefixed with "extra:", so that no id is in both. What a student follows its
    teacher on needs no label; whose pictures these are stays the caller's duty: none may be of a
    val or test image.
    """
    n = len(extra)
    blank = np.full(n, "")
    return replace(
        manifest,
        ids=np.concatenate([manifest.ids, np.char.add("extra:", extra.ids)]),
        paths=(*manifest.paths, *extra.paths),
        labels=np.concatenate([manifest.labels, blank]),
        domains=np.concatenate([manifest.domains, extra.domains]),
        splits=np.concatenate([manifest.splits, np.full(n, "train")]),
        is_query=np.concatenate([manifest.is_query, np.zeros(n, dtype=bool)]),
        is_gallery=np.concatenate([manifest.is_gallery, np.zeros(n, dtype=bool)]),
        boxes=np.concatenate([manifest.boxes, extra.boxes]),
        extra={name: np.concatenate([column, blank]) for name, column in manifest.extra.items()},
    )
