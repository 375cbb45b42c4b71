"""The errors a user can meet. Each message says what, where, and what to do, in one line.

HetvsError
├── ConfigError            a setting is unknown or out of range
├── ManifestError          a row is wrong: says path:line
├── DatasetError           a named data set cannot be fetched, or a checksum differs
├── ArtifactError          missing, corrupt, or of another schema version
│   └── IncompatibleSpaceError
├── ParityError            the ONNX graph disagrees with the PyTorch model
└── GateError              a measured promise does not hold (exit code 3)

Misuse of a pure function (a wrong shape) is a plain ValueError: a bug in the caller.
"""

from __future__ import annotations


class HetvsError(Exception):
    """Base of every error that the command line shows as one line, exit code 1."""


class ConfigError(HetvsError):
    """A setting is unknown or out of range."""


class ManifestError(HetvsError):
    """A table of images has a fault; the message holds path:line."""


class DatasetError(HetvsError):
    """A named data set cannot be fetched, or a checksum differs."""


class ArtifactError(HetvsError):
    """A file of ours is missing, corrupt, cannot be written, or has another schema version."""


class IncompatibleSpaceError(ArtifactError):
    """Two artifacts are known to live in different embedding spaces."""


class ParityError(HetvsError):
    """The ONNX graph disagrees with the PyTorch model."""


class GateError(HetvsError):
    """A measured promise does not hold: exit code 3."""
