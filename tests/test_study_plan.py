"""From cases to commands: every one would be taken, and nothing is trained twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hetvs.cli import main as hetvs
from hetvs.config import TERMS, StudentConfig
from hetvs.errors import ConfigError
from hetvs.retrieval.protocols import UNSEEN_DOMAINS
from studies import columns, control
from studies.compatibility import cases as compatibility
from studies.compatibility.__main__ import main
from studies.compatibility.study import Study
from studies.shared.cases import Case, Places
from studies.shared.command import plan
from studies.shared.methods import BASELINE, CLOUD, CONTROL, DEFAULT, HALF, HEAD, REPLACED, overrides
from studies.shared.planner import Planner

CLOUD_RECIPE = "img_size = 96\nsource_size = 96\nseed = 5\ncompanion = 'runs/companion'\n"
STUDENT_RECIPE = "img_size = 40\nanchor = 5.0\ncontext = 2.0\ninfluence = 0.0\nridge = 'start'\n"


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A recipe of everything that the study needs; a variant of a data set has none of its own."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    for dataset in ("emoji", "kanji"):
        (folder / f"{dataset}-cloud.toml").write_text(CLOUD_RECIPE)
        (folder / f"{dataset}-companion.toml").write_text("")
        for size in compatibility.SIZES:
            (folder / f"{dataset}-student-{size.replace('/', '-')}.toml").write_text(STUDENT_RECIPE)
            (folder / f"{dataset}-baseline-{size.replace('/', '-')}.toml").write_text("img_size = 40\n")
    return folder


@pytest.fixture
def study(recipes: Path, tmp_path: Path) -> Study:
    """The real study, on those recipes."""
    return Study(
        name="compatibility",
        module="studies.compatibility",
        cases=compatibility.CASES,
        timed=compatibility.TIMED,
        seeds=compatibility.SEEDS,
        places=Places(home=tmp_path / "runs", recipes=recipes),
    )


def parse(words: list[str]) -> click.Context:
    """Parse a command without running it; a UsageError when it would be refused."""
    if words[0] == "hetvs":
        command: click.Command = hetvs
        words = words[1:]
    else:
        assert words[:2] == ["python", "-m"]
        command = {"studies.columns": columns.main, "studies.control": control.main}[words[2]]
        words = words[3:]
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, *words = words
        chosen = command.get_command(context, name)
        assert chosen is not None, name
        command = chosen
    return command.make_context(command.name, list(words))


def test_every_command_of_the_study_would_be_taken(study: Study) -> None:
    jobs = study.jobs()
    assert {job.kind.name for job in jobs} == {"data", "train", "bundles", "vectors", "columns", "bench"}
    for job in jobs:
        parse([*job.words, *(["--threads", "1"] if job.kind.threaded else [])])
        if job.kind.goes_on:
            parse([*job.words, job.kind.goes_on])


def test_a_job_stands_after_what_it_needs(study: Study) -> None:
    seen: set[str] = set()
    for job in study.jobs():
        assert {needed.name for needed in job.after} <= seen
        seen.add(job.name)


def words_of(study: Study, case: Case, seed: int = 0) -> str:
    return " ".join(study.models[case][seed].train.words)


def at(method: str) -> Case:
    return Case(compatibility.EMOJI, "1/80", method)


def test_a_method_is_the_recipe_with_its_terms(study: Study) -> None:
    assert "--anchor" not in words_of(study, at(DEFAULT))
    assert "--context 0.0" in words_of(study, at("anchor"))
    assert "--rank-difference 1.0" in words_of(study, at("anchor + rank difference"))
    alone = words_of(study, at("influence alone"))
    assert all(word in alone for word in ("--anchor 0.0", "--context 0.0", "--influence 1.0", "--ridge off"))
    assert "--seed 2" in words_of(study, at("default + focal"), 2)


def test_the_control_runs_where_the_trainer_would_refuse_it(study: Study) -> None:
    assert words_of(study, at(CONTROL)).startswith("python -m studies.control ")
    judged = " ".join(study.models[at(CONTROL)][0].columns.words)
    assert "--role control" in judged


def test_the_closed_form_head_starts_from_the_baseline_of_its_seed(study: Study) -> None:
    train = study.models[at(HEAD)][1].train
    baseline = study.models[at(BASELINE)][1].train
    assert f"--start {baseline.output}" in " ".join(train.words)
    assert "--epochs 0" in " ".join(train.words)
    assert baseline in train.after


def test_a_method_that_the_recipe_is_already_is_not_trained_again(study: Study) -> None:
    """Anchor and context at the recipe's weights, and nothing else: the default."""
    assert study.models[at("anchor + context")][0].train is study.models[at(DEFAULT)][0].train


def test_the_cloud_model_is_one_and_near_its_companion(study: Study) -> None:
    (cloud,) = study.models[Case(compatibility.EMOJI, "1", CLOUD)]
    (half,) = study.models[Case(compatibility.EMOJI, "1/4", HALF)]
    assert cloud.seed == 5
    assert "--seed" not in cloud.train.words
    assert "--companion" in cloud.train.words
    assert "--img-size 48" in " ".join(half.train.words)
    assert cloud.train.output != half.train.output


def test_a_cloud_model_may_go_on_from_an_earlier_one_and_its_student(study: Study, recipes: Path) -> None:
    """A first cloud model, a student of it, and the cloud model that is moved towards that student."""
    (recipes / "emoji-cloud-first.toml").write_text("")
    (recipes / "emoji-student-first.toml").write_text(STUDENT_RECIPE)
    (recipes / "emoji-cloud.toml").write_text("start = 'runs/cloud-first'\ncompanion = 'runs/student-first'\n")
    (cloud,) = study.models[Case(compatibility.EMOJI, "1", CLOUD)]
    named = {job.output.name: job for job in cloud.train.after}
    words = " ".join(cloud.train.words)
    assert f"--start {named['cloud-first'].output} --companion {named['student-first'].output}" in words
    assert f"--teacher {named['cloud-first'].output}" in " ".join(named["student-first"].words)
    (recipes / "emoji-cloud.toml").write_text("companion = 'runs/student-first'\n")
    again = Planner(study.places, study.seeds)
    with pytest.raises(ConfigError, match="a companion is a student of the run in `start`"):
        again.models(cloud.case)


def test_a_cloud_model_may_have_several_companions(study: Study, recipes: Path) -> None:
    for name in ("cloud-first", "member-40"):
        (recipes / f"emoji-{name}.toml").write_text("")
    both = "start = 'runs/cloud-first'\ncompanion = 'runs/cloud-first, runs/member-40'\n"
    (recipes / "emoji-cloud.toml").write_text(both)
    (cloud,) = Planner(study.places, study.seeds).models(Case(compatibility.EMOJI, "1", CLOUD))
    named = {job.output.name: job.output for job in cloud.train.after}
    assert f"--companion {named['cloud-first']},{named['member-40']}" in " ".join(cloud.train.words)
    assert [job.output.name for job in cloud.train.after].count("cloud-first") == 1


def test_a_gallery_model_may_hold_a_student_of_the_cloud_model(study: Study, recipes: Path) -> None:
    """Students follow the large network; galleries are embedded by both together."""
    (recipes / "emoji-gallery.toml").write_text("members = 'runs/cloud, runs/student-gallery'\nweights = '1, 0.5'\n")
    (recipes / "emoji-student-gallery.toml").write_text(STUDENT_RECIPE)
    again = Planner(study.places, study.seeds)
    (gallery,) = again.models(Case(compatibility.EMOJI, "1", CLOUD))
    student = again.models(at(DEFAULT))[0]
    cloud, beside = gallery.train.after
    parse(list(gallery.train.words))
    assert f"--members {cloud.output},{beside.output}" in " ".join(gallery.train.words)
    assert all(f"--teacher {cloud.output}" in " ".join(job.words) for job in (beside, student.train))
    assert str(again.models(gallery.case)[0].columns.output) in " ".join(gallery.columns.words)
    judged = student.columns.words
    assert judged[judged.index("--gallery") + 1] == gallery.columns.words[gallery.columns.words.index("--query") + 1]


def test_what_is_judged_on_unseen_domains_never_saw_them(study: Study, recipes: Path) -> None:
    """Every training of the variant, those that its cloud model needs too; what is embedded has all domains."""
    (recipes / "emoji-cloud-first.toml").write_text("")
    (recipes / "emoji-student-first.toml").write_text(STUDENT_RECIPE)
    (recipes / "emoji-cloud.toml").write_text("start = 'runs/cloud-first'\ncompanion = 'runs/student-first'\n")
    jobs = [job for job in study.jobs(["emoji-unseen/*"]) if job.kind.name != "data"]
    trained = [job for job in jobs if job.kind.name == "train"]
    assert {job.output.name for job in trained} >= {"cloud-first", "student-first", "cloud", "1-80-independent-s2"}
    for job in trained:
        rows = job.words[job.words.index("--rows") + 1]
        assert rows == ",".join(["core=1", *(f"domain!={domain}" for domain in UNSEEN_DOMAINS)])
    for job in jobs:
        assert str(study.places.home / "emoji-unseen") in str(job.output)
        assert not any(f"{study.places.home}/emoji/" in word for word in job.words)
    assert {job.words[job.words.index("--rows") + 1] for job in jobs if job.kind.name == "vectors"} == {"core=1"}
    judged = [job.words for job in jobs if job.kind.name == "columns"]
    assert all(words.count("--protocol") == 1 and words[words.index("--protocol") + 1] == "C" for words in judged)


def test_c_is_judged_by_those_models_alone_and_last(study: Study) -> None:
    judging = [case for case in study.cases if "C" in case.dataset.protocols]
    assert judging == list(study.cases[-len(judging) :])
    assert {(case.size, case.method) for case in judging} == {
        ("1", CLOUD),
        *((size, method) for size in compatibility.SIZES for method in (DEFAULT, BASELINE)),
    }
    assert all(case.dataset.trained for case in judging)
    assert not any("--rows" in m.train.words for c in study.cases if c not in judging for m in study.models[c])


def test_a_variant_is_of_the_same_pictures_and_not_timed_again(study: Study) -> None:
    jobs = study.jobs(["emoji-unseen/*"])
    assert [job.name for job in jobs if job.kind.name == "data"] == ["emoji/data"]
    assert not any(job.kind.name == "bench" for job in jobs)


def test_only_brings_along_what_a_row_is_compared_with(study: Study) -> None:
    names = {job.name for job in study.jobs(["emoji/1-80-anchor"])}
    assert {"emoji/cloud columns", "emoji/1-80-independent-s2 columns", "emoji/1-80-anchor-s0 columns"} <= names
    assert not any("kanji" in name or "1-10" in name or "bench" in name for name in names)
    with pytest.raises(ConfigError, match="matches none of"):
        study.jobs(["emoji/1-81-*"])


def test_a_missing_recipe_leaves_out_its_rows_alone(study: Study, recipes: Path) -> None:
    (recipes / "kanji-cloud.toml").unlink()
    (recipes / "emoji-student-1-10.toml").write_text("epoch = 3\n")
    assert "did you mean 'epochs'" in study.unplanned["emoji/1-10-default"]
    assert {name for name in study.unplanned if name.startswith("kanji/")} == {
        case.name for case in study.cases if case.dataset.name == "kanji"
    }
    assert "left out: kanji/1-cloud" in "\n".join(plan(study.jobs(), study.unplanned))


def test_runs_share_the_teachers_views(study: Study) -> None:
    trained = [study.models[at(method)][0].train.words for method in (DEFAULT, "anchor", CONTROL)]
    assert len({words[words.index("--views-folder") + 1] for words in trained}) == 1


@pytest.mark.parametrize("method", REPLACED)
def test_overrides_make_settings_that_are_allowed(method: str) -> None:
    recipe = StudentConfig(anchor=5.0, context=2.0, influence=0.0)
    assert replace(recipe, **overrides(method, recipe))


def test_a_term_alone_is_alone() -> None:
    recipe = StudentConfig(**dict.fromkeys(TERMS, 0.3), focal=2.0)
    assert replace(recipe, **overrides("influence alone", recipe)).active_terms() == {"influence": 0.3}


def test_every_case_is_named_once() -> None:
    names = [case.name for case in compatibility.CASES]
    assert len(set(names)) == len(names)


def test_planning_twice_gives_the_same_jobs(study: Study) -> None:
    again = Planner(study.places, study.seeds).models(at("anchor"))
    assert [m.columns.identity for m in again] == [m.columns.identity for m in study.models[at("anchor")]]


def test_dry_run_says_what_is_left_out(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--dry-run", "--home", str(tmp_path), "--docs", str(tmp_path)])
    assert done.exit_code == 0
    assert "left out: emoji/1-cloud" in done.stdout
