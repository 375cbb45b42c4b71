"""Index once with the big model; search from any device.

The public names are loaded when first used, so that `import hetvs` stays light: neither torch nor
onnxruntime is loaded by it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {  # name -> its module
    "EdgeBundle": "hetvs.artifacts",
    "EmbeddingSet": "hetvs.artifacts",
    "Manifest": "hetvs.manifest",
    "ModelCard": "hetvs.artifacts",
    "Preprocess": "hetvs.preprocess",
    "SpaceCard": "hetvs.spaces",
    "read_manifest": "hetvs.manifest",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'hetvs' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
