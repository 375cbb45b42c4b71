"""One frozen dataclass per stage: the only home of a default, a help text and a check.

The command line makes its options from these fields (`hetvs.cli.options`), `--config run.toml`
overrides defaults, a typed option overrides both, and the resolved settings are written into the run.
A stage has a file of its own here; all are imported from `hetvs.config`.
"""

from __future__ import annotations

from hetvs.config.adapt import DIRECTIONS, MAP_METHODS, AdaptConfig
from hetvs.config.backfill import CURVE_METRICS, ORDERS, BackfillConfig, CurveConfig, RefreshConfig
from hetvs.config.bench import RUNTIMES, BenchConfig
from hetvs.config.calibrate import CalibrateConfig
from hetvs.config.classifier import CONGRUENT, DISTANCES, FOCUS, ClassifierConfig
from hetvs.config.clusters import ClustersConfig
from hetvs.config.compare import CompareConfig, FlipsConfig
from hetvs.config.embed import PRECISIONS, EmbedConfig
from hetvs.config.evaluate import JUDGED, PROTOCOLS, RESAMPLE_CHOICES, UNMATED_CHOICES, EvaluateConfig
from hetvs.config.export import ExportConfig
from hetvs.config.fetch import FetchConfig
from hetvs.config.foreign import ForeignConfig
from hetvs.config.fuse import FuseConfig
from hetvs.config.imports import ImportConfig
from hetvs.config.label import LabelConfig
from hetvs.config.latency import LatencyConfig
from hetvs.config.linear import SOLVERS, TARGETS, LinearConfig
from hetvs.config.rotate import RotateConfig
from hetvs.config.search import REWARDS, SearchConfig
from hetvs.config.shard import ShardConfig
from hetvs.config.student import PREFIXES, PROTOTYPE_CHOICES, RIDGE_CHOICES, TERMS, StudentConfig
from hetvs.config.supernet import MODES, SPACES, SupernetConfig
from hetvs.config.teacher import TeacherConfig
from hetvs.config.train import AMP_CHOICES, LoopConfig, TrainConfig
from hetvs.config.update import UNSEEN_CHOICES, UPDATE_METHODS, UPDATE_TERMS, UpdateConfig
from hetvs.config.views import ViewsConfig

__all__ = [
    "AMP_CHOICES",
    "CONGRUENT",
    "CURVE_METRICS",
    "DIRECTIONS",
    "DISTANCES",
    "FOCUS",
    "JUDGED",
    "MAP_METHODS",
    "MODES",
    "ORDERS",
    "PRECISIONS",
    "PREFIXES",
    "PROTOCOLS",
    "PROTOTYPE_CHOICES",
    "RESAMPLE_CHOICES",
    "REWARDS",
    "RIDGE_CHOICES",
    "RUNTIMES",
    "SOLVERS",
    "SPACES",
    "TARGETS",
    "TERMS",
    "UNMATED_CHOICES",
    "UNSEEN_CHOICES",
    "UPDATE_METHODS",
    "UPDATE_TERMS",
    "AdaptConfig",
    "BackfillConfig",
    "BenchConfig",
    "CalibrateConfig",
    "ClassifierConfig",
    "ClustersConfig",
    "CompareConfig",
    "CurveConfig",
    "EmbedConfig",
    "EvaluateConfig",
    "ExportConfig",
    "FetchConfig",
    "FlipsConfig",
    "ForeignConfig",
    "FuseConfig",
    "ImportConfig",
    "LabelConfig",
    "LatencyConfig",
    "LinearConfig",
    "LoopConfig",
    "RefreshConfig",
    "RotateConfig",
    "SearchConfig",
    "ShardConfig",
    "StudentConfig",
    "SupernetConfig",
    "TeacherConfig",
    "TrainConfig",
    "UpdateConfig",
    "ViewsConfig",
]
