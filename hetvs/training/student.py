"""train-student: a small model learns to place images where the teacher places them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from hetvs.artifacts import EmbeddingSet, ModelCard, is_bundle
from hetvs.config import StudentConfig, SupernetConfig
from hetvs.errors import ConfigError
from hetvs.losses import LOSSES, require_anchored
from hetvs.losses.prototypes import class_means, denoised_means
from hetvs.manifest import Manifest
from hetvs.models.backbones import options_of
from hetvs.models.embedder import Embedder
from hetvs.models.storage import Prototypes, load_prototypes
from hetvs.preprocess import Preprocess
from hetvs.spaces import require_prefixes
from hetvs.training.augment import WHOLE, Augment
from hetvs.training.given import Given, name_of, open_given, require_known, space_of, whole_vectors
from hetvs.training.images import ImageStore, images_of
from hetvs.training.loop import CHECKPOINT, prepare, train
from hetvs.training.precision import choose_amp
from hetvs.training.processes import cores, first_then_others, is_first, largest_share, wait_for_all
from hetvs.training.ridge import fit_projection
from hetvs.training.run import Outcome, close_run, open_run, own_space, to_device
from hetvs.training.start import build_model, with_architecture
from hetvs.training.student_stage import StudentStage
from hetvs.training.teacher_views import Crops, LiveViews, StoredViews, TeacherViews
from hetvs.training.view_cache import cached_views

PROTOTYPE_SCALE = 16.0  # of class means, which come without the scale of a trained head


def train_student(
    manifest: Manifest,
    teacher_path: Path,
    output: Path,
    config: StudentConfig,
    *,
    resume: bool = False,
    control: bool = False,
) -> ModelCard:
    """Train a student of the model or the vectors at `teacher_path` on the train split; write the run to `output`.

    The student's card carries the teacher's space. Vectors alone are of whole images: each crop of one is held to the
    same vector, unless the images are views already (`whole`). ArtifactError names the train and val images that have
    none. Labels are used by the terms that
    say so in `hetvs.losses`, and by the focal weight. Raises ConfigError for prefixes of a space that has none, and
    when no active term is anchored; a `control` may do without one, and gets a space of its own, because it is not in
    the teacher's.
    Several processes (`processes.joined`) train one student: the same batches, the first writes.
    """
    require_trainable(config, control=control)
    config = with_architecture(config)
    prepare(config)
    store = images_of(manifest, config)
    teacher = open_given(teacher_path, threads=config.threads or cores())
    require_prefixes(space_of(teacher), config.prefix_dims)
    for table, rows in ((store.manifest, store.rows), (manifest, manifest.rows("val", config.rows))):
        require_known(teacher, teacher_path, table, rows)
    model, backbone = build_model(config, space_of(teacher).dim)
    to_device(model, config.device)
    with first_then_others():  # the others read what the first has resolved
        config = open_run(
            output, config, lambda: choose_amp(model, config.img_size, largest_share(config.batch_size), config.device)
        )
    views = views_of(output, teacher, store, config)
    fresh = not (resume and (output / CHECKPOINT).is_file())
    if config.ridge in ("start", "both") and config.epochs and fresh and is_first():  # replicas begin as the first
        fit_projection(model, views, device=config.device, training=True)
    stage = StudentStage(views, model, prototypes_of(teacher_path, views, config.prototypes), config, teacher)
    trained = train(stage, config, output, resume=resume)
    assert isinstance(trained, Embedder)
    if is_first():
        _finish(
            stage,
            trained,
            backbone.preprocess,
            output,
            config,
            {"data": str(manifest.source), "teacher": name_of(teacher, teacher_path)},
            control=control,
        )
    wait_for_all()
    return ModelCard.load(output)


def _finish(
    stage: StudentStage,
    trained: Embedder,
    preprocess: Preprocess,
    output: Path,
    config: StudentConfig,
    names: dict[str, str],
    *,
    control: bool,
) -> None:
    """Take the last residual out of the projection, if asked to, judge the student on val and close its run."""
    if config.ridge in ("end", "both") or not config.epochs:
        fit_projection(trained, stage.views, device=config.device, training=False)
    trained.eval()
    outcome = Outcome(
        embedder=trained,
        backbone_options=options_of(config.backbone, asdict(config)),
        preprocess=preprocess,
        space=own_space(trained, preprocess) if control else space_of(stage.teacher),
        validation=stage.validate(trained),
        facts={**names, "images": stage.images, "terms": config.active_terms(), "focal": config.focal},
    )
    close_run(output, "control" if control else "student", config, outcome, None)


def require_trainable(config: StudentConfig, *, control: bool) -> None:
    """Raise ConfigError unless the active terms tie the student to the teacher's space and fit each other."""
    terms = config.active_terms()
    if not control and config.epochs:
        require_anchored(terms)
    labelled = [name for name in terms if LOSSES[name].needs_labels]
    if config.mixup and (labelled or config.focal):
        raise ConfigError(
            f"a mixed image has no label, which {', '.join(labelled) or 'focal'} needs; drop it, or mixup"
        )


def views_of(output: Path, teacher: Given, store: ImageStore, config: StudentConfig | SupernetConfig) -> TeacherViews:
    """Return the views that the settings ask for: cached ones, or a live teacher; fresh ones beside stored vectors."""
    student = config if isinstance(config, StudentConfig) else None
    whole, mixup = bool(student and student.whole), bool(student and student.mixup)
    crops = Crops(store, WHOLE if whole else Augment(), config.views_seed)
    if isinstance(teacher, EmbeddingSet):
        if mixup:
            raise ConfigError("mixup asks the teacher about mixed images, which stored vectors cannot answer; drop it")
        vectors_nD = torch.from_numpy(whole_vectors(teacher, store.manifest, store.rows, "stored vectors"))
        return StoredViews(crops, vectors_nD, config.img_size, store.source_px if whole else config.img_size)
    if not config.views:
        return LiveViews(crops, teacher, config.img_size, mixup=mixup)
    folder = Path(config.views_folder) if config.views_folder else output / "views"
    return cached_views(folder, teacher, crops, views=config.views, student_px=config.img_size)


def prototypes_of(teacher_path: Path, views: TeacherViews, kind: str) -> Prototypes:
    """Return the rows of the influence term: the teacher's own ("teacher"), or those of its vectors of all views.

    "means" and "denoised" are of its vectors, and so is "teacher" where it hands out no prototypes.
    """
    own = load_prototypes(teacher_path) if kind == "teacher" and not is_bundle(teacher_path) else None
    if own is not None:
        return own
    labels = views.store.manifest.labels[views.store.rows]
    known = np.flatnonzero(labels != "")
    classes, labels_n = np.unique(labels[known], return_inverse=True)
    vectors_KnD = views.vectors()[:, known]
    labels_Kn = torch.from_numpy(labels_n).repeat(len(vectors_KnD))
    mean = denoised_means if kind == "denoised" else class_means
    return Prototypes(mean(vectors_KnD.flatten(0, 1), labels_Kn), tuple(classes.tolist()), PROTOTYPE_SCALE)
