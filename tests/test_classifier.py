"""train-classifier: what holds a new classifier to an old one, on drawn letters; ensembles; what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from hetvs.classifiers import Ensemble, right_answers
from hetvs.cli import main
from hetvs.config import ClassifierConfig
from hetvs.encoders import batches
from hetvs.errors import ArtifactError, ConfigError, ManifestError
from hetvs.files import digest_file
from hetvs.manifest import Manifest
from hetvs.models.embedder import Embedder
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import load_prototypes, load_run
from hetvs.training.classifier import ClassifierStage, train_classifier
from hetvs.training.images import images_of
from hetvs.training.start import build_model
from hetvs.training.teacher import Classifier
from hetvs.training.ties import ties_of

TINY = ClassifierConfig(
    width=0.5, depth=1, img_size=16, source_size=16, epochs=2, batch_size=8, dim=8, amp="off", threads=1, ema=0.5
)


@pytest.fixture(scope="session")
def old_run(closed_letters: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of B and C."""
    output = tmp_path_factory.mktemp("classifiers") / "old"
    train_classifier(closed_letters, output, replace(TINY, rows="half=first"))
    return output


@pytest.fixture(scope="session")
def free_runs(closed_letters: Manifest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two classifiers of all four letters, held to nothing."""
    outputs = [tmp_path_factory.mktemp("classifiers") / f"free{seed}" for seed in (1, 2)]
    for seed, output in enumerate(outputs, start=1):
        train_classifier(closed_letters, output, replace(TINY, seed=seed))
    return outputs


def stage_of(manifest: Manifest, config: ClassifierConfig) -> ClassifierStage:
    """The stage that trains under `config`, with an untrained model of a fixed seed."""
    torch.manual_seed(0)
    store = images_of(manifest, config)
    classes = sorted(set(manifest.labels[store.rows].tolist()))
    embedder, _ = build_model(config, config.dim)
    head = PrototypeHead(len(classes), config.dim, scale=config.scale, margin=config.margin)
    return ClassifierStage(store, classes, Classifier(embedder, head), ties_of(store, classes, config), config)


def terms_of(manifest: Manifest, config: ClassifierConfig) -> dict[str, float]:
    stage = stage_of(manifest, config)
    stage.model.eval()  # the same statistics, whatever was computed before
    return {name: term.item() for name, term in stage.terms(np.arange(32), 0).items()}


def test_a_classifier_is_a_run_with_its_classes(old_run: Path, closed_letters: Manifest) -> None:
    embedder, card = load_run(old_run)
    prototypes = load_prototypes(old_run)
    assert isinstance(embedder, Embedder)
    assert prototypes is not None
    assert (card.role, prototypes.labels) == ("classifier", ("B", "C"))
    assert list(card.validation) == ["val/accuracy"]
    assert card.training["congruent"] == "none"


def test_classes_are_matched_by_name_and_images_of_new_classes_are_left_out(
    closed_letters: Manifest, old_run: Path
) -> None:
    stage = stage_of(closed_letters, replace(TINY, old=str(old_run), congruent="focal"))
    tie = stage.ties["old"]
    assert (stage.classes, tie.ours.tolist(), tie.theirs.tolist()) == (["A", "B", "C", "D"], [1, 2], [0, 1])
    labels = closed_letters.labels[stage.store.rows]
    assert tie.class_n.tolist() == [{"B": 0, "C": 1}.get(label, -1) for label in labels.tolist()]
    new = np.flatnonzero(tie.class_n.numpy() < 0)
    pixels = stage.augment.render(stage.store.rgba(new), torch.rand(len(new), 32), 16)
    logits = stage.model.head.logits(stage.model.embedder(pixels))
    distance = tie.distance(logits, pixels, new, stage.config)
    assert distance.item() == 0
    assert tie.right_n is not None
    assert not tie.right_n[new].any()  # the old model cannot name them


def test_a_kappa_of_0_is_plain_training_bit_for_bit(
    closed_letters: Manifest, old_run: Path, free_runs: list[Path], tmp_path: Path
) -> None:
    before = {file.name: digest_file(file) for file in old_run.glob("*.safetensors")}
    held = replace(TINY, seed=1, old=str(old_run), congruent="focal", kappa=0.0)
    train_classifier(closed_letters, tmp_path / "held", held)
    plain, found = (load_run(run)[1].weights_digest for run in (free_runs[0], tmp_path / "held"))
    assert found == plain
    assert {file.name: digest_file(file) for file in old_run.glob("*.safetensors")} == before


def killed(*_: object) -> dict[str, float]:
    raise KeyboardInterrupt


def test_a_killed_classifier_ends_where_an_unkilled_one_does(
    closed_letters: Manifest, old_run: Path, tmp_path: Path
) -> None:
    config = replace(TINY, old=str(old_run), congruent="focal", checkpoint_every=0.0, validate_every=1)
    whole = train_classifier(closed_letters, tmp_path / "whole", config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierStage, "validate", killed)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(closed_letters, tmp_path / "halved", config)
    resumed = train_classifier(closed_letters, tmp_path / "halved", config, resume=True)
    assert resumed.weights_digest == whole.weights_digest


HELD = {
    "naive": {"congruent": "naive"},
    "focal": {"congruent": "focal"},
    "elodi": {"congruent": "elodi"},
    "both": {"congruent": "focal", "references": "free"},
}


@pytest.mark.parametrize(
    ("how", "changed", "moved"),
    [
        ("focal", {"kappa": 0.5}, {"labels", "old"}),
        ("focal", {"alpha": 2.0}, {"old"}),
        ("focal", {"beta": 1.0}, {"old"}),
        ("focal", {"focus": "all"}, {"old"}),
        ("focal", {"temperature": 2.0}, {"old"}),
        ("focal", {"distance": "difference"}, {"old"}),
        ("focal", {"new_bias": 2.0}, {"labels"}),
        ("focal", {"margin": 0.2}, {"labels"}),
        ("focal", {"gentle": False}, {"labels", "old"}),
        ("both", {"old_share": 0.8}, {"old", "references"}),
        ("elodi", {"slack": 0.2}, {"references"}),
        ("elodi", {"power": 1.0}, {"references"}),
        ("elodi", {"top": 2}, {"references"}),
        ("elodi", {"hide_label": True}, {"references"}),
        ("naive", {"beta": 1.0}, {"labels"}),
    ],
)
def test_a_setting_moves_its_own_terms(
    how: str,
    changed: dict[str, Any],
    moved: set[str],
    closed_letters: Manifest,
    old_run: Path,
    free_runs: list[Path],
) -> None:
    runs = {"old": "" if how == "elodi" else str(old_run)}
    runs["references"] = ",".join(map(str, free_runs)) if how in ("elodi", "both") else ""
    config = replace(TINY, **{**HELD[how], **runs})
    before, after = (terms_of(closed_letters, c) for c in (config, replace(config, **changed)))
    assert {name for name in before if abs(before[name] - after[name]) > 1e-7} == moved


def test_an_ensemble_of_equal_members_is_one_and_others_are_their_mean(
    closed_letters: Manifest, free_runs: list[Path]
) -> None:
    rows = batches(closed_letters.rows("test"), 5)
    one, two = (Ensemble.load([run]).answers(closed_letters, rows) for run in free_runs)
    assert np.array_equal(Ensemble.load([free_runs[0]] * 2).answers(closed_letters, rows), one)
    assert Ensemble.load(free_runs).answers(closed_letters, rows) == pytest.approx((one + two) / 2, abs=1e-5)
    assert Ensemble.load(free_runs).name == "free1 + free2"


def test_an_image_of_an_unknown_class_is_never_right() -> None:
    logits = np.array([[3.0, 1.0], [3.0, 1.0], [0.0, 1.0]])
    assert right_answers(logits, ("A", "B"), np.array(["A", "C", "A"])).tolist() == [True, False, False]


def test_members_of_other_classes_and_runs_without_classes_are_refused(
    old_run: Path, free_runs: list[Path], run_folder: Path
) -> None:
    with pytest.raises(ArtifactError, match="its classes are not those of"):
        Ensemble.load([free_runs[0], old_run])
    with pytest.raises(ArtifactError, match="has no prototypes, so it names no class"):
        Ensemble.load([run_folder])


def test_what_cannot_be_trained_is_refused(closed_letters: Manifest, old_run: Path, tmp_path: Path) -> None:
    config = replace(TINY, rows="half=second", old=str(old_run), congruent="focal")
    with pytest.raises(ConfigError, match="knows none of the 2 classes"):
        train_classifier(closed_letters, tmp_path / "none", config)
    with pytest.raises(ConfigError, match="old names 2 runs"):
        train_classifier(closed_letters, tmp_path / "two", replace(TINY, old=f"{old_run},{old_run}"))
    with pytest.raises(ManifestError, match="1 train classes; a classifier needs at least 2"):
        train_classifier(closed_letters, tmp_path / "one", replace(TINY, rows="label=A"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"congruent": "focal"}, "congruent = focal needs --old"),
        ({"congruent": "naive"}, "congruent = naive needs --old"),
        ({"congruent": "elodi", "old": "x"}, "congruent = elodi needs --references"),
        ({"references": "x"}, "congruent = none follows no references"),
        ({"congruent": "Focal", "old": "x"}, "congruent 'Focal' is unknown; did you mean 'focal'?"),
        ({"new_bias": 2.0}, "new_bias is for classes new to the old model; give --old"),
        ({"kappa": 1.5}, "kappa must be in 0..1, got 1.5"),
        ({"temperature": 0.0}, "temperature must be > 0, got 0.0"),
        ({"slack": -1.0}, "slack must be >= 0, got -1.0"),
        ({"extra": "x"}, "extra images have no label"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        ClassifierConfig(**values)


def test_the_command_trains_compares_and_says_what_is_next(
    closed_letters: Manifest, old_run: Path, free_runs: list[Path], tmp_path: Path
) -> None:
    data, tiny = (
        str(closed_letters.source.parent),
        "--epochs 1 --width 0.5 --depth 1 --img-size 16 --amp off --threads 1",
    )
    words = ["train-classifier", data, "-o", str(tmp_path / "new"), "--old", str(old_run), *tiny.split()]
    done = CliRunner().invoke(main, [*words, "--congruent", "focal"])
    assert done.exit_code == 0, done.output
    assert "val/nfr" in done.stdout
    assert (
        done.stdout.splitlines()[-1]
        == f"next: hetvs compare {data} --old {old_run} --new {tmp_path / 'new'} -o comparison"
    )
    refs = [word for run in free_runs for word in ("--new", str(run))]
    words = ["compare", data, "--old", str(old_run), *refs, "-o", str(tmp_path / "c"), "--draws", "200", "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert (found["items"], found["classes"], found["new"], found["measure"]) == (16, 4, "free1 + free2", "accuracy")
    assert found["difference"]["value"] == pytest.approx(
        found["flips"]["pfr"]["value"] - found["flips"]["nfr"]["value"]
    )
    answers = (tmp_path / "c" / "answers.csv").read_text().splitlines()
    assert answers[0] == "id,label,old,new"
    lost = [
        line.split(",")[0] for line in answers[1:] if len({*line.split(",")[1:3]}) == 1 != len({*line.split(",")[1:]})
    ]
    assert lost == found["flips"]["negative"]
    page = (tmp_path / "c" / "flips.html").read_text()
    assert "8 are of classes that old does not know" in page
    assert page.count('<div class="flip">') == len(lost)
    assert "http" not in page
