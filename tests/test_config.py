from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hetvs.cli import main
from hetvs.cli.options import settings
from hetvs.config import (
    AdaptConfig,
    BackfillConfig,
    BenchConfig,
    CalibrateConfig,
    ClustersConfig,
    CurveConfig,
    EmbedConfig,
    EvaluateConfig,
    ExportConfig,
    FetchConfig,
    RefreshConfig,
    StudentConfig,
    SupernetConfig,
    TeacherConfig,
    UpdateConfig,
)
from hetvs.errors import ConfigError
from hetvs.settings import did_you_mean, override, read_config, read_toml

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"

STAGES = [
    *(
        FetchConfig,
        TeacherConfig,
        StudentConfig,
        SupernetConfig,
        UpdateConfig,
        EmbedConfig,
        AdaptConfig,
        BackfillConfig,
        RefreshConfig,
        CurveConfig,
        ClustersConfig,
        CalibrateConfig,
        EvaluateConfig,
        ExportConfig,
    ),
    BenchConfig,
]


@pytest.mark.parametrize("stage", STAGES)
def test_every_default_is_valid_and_every_setting_explains_itself(stage: type[Any]) -> None:
    config = stage()
    for f in fields(config):
        assert f.metadata["help"], f.name
        if f.metadata["choices"]:
            chosen = f.default if isinstance(f.default, tuple) else (f.default,)
            assert {*chosen} <= {*f.metadata["choices"]}, f.name


def test_override_replaces_and_leaves_the_original() -> None:
    config = StudentConfig()
    assert override(config, {"epochs": 3}).epochs == 3
    assert config.epochs == StudentConfig.epochs


def test_the_defaults_of_a_student_are_the_best_recipe() -> None:
    """Where they differ is what a data set decides: its rows, its pictures, their size."""
    best = asdict(read_config(StudentConfig, RECIPES / "emoji-student-1-80.toml"))
    differing = {name for name, value in asdict(StudentConfig()).items() if best[name] != value}
    assert differing == {"rows", "extra", "source_size", "amp"}


@pytest.mark.parametrize(
    ("typed", "said"),
    [("epoch", "did you mean 'epochs'?"), ("batchsize", "did you mean 'batch_size'?"), ("zzz", "known: source_size, ")],
)
def test_an_unknown_setting_is_an_error_with_a_suggestion(typed: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(StudentConfig(), {typed: 1})
    assert str(caught.value).startswith(f"unknown setting {typed!r}")
    assert said in str(caught.value)


@given(word=st.text(max_size=10))
def test_a_suggestion_is_always_a_known_word(word: str) -> None:
    assert any(known in did_you_mean(word, ["epochs", "lr"]) for known in ("epochs", "lr"))


@pytest.mark.parametrize(
    ("stage", "values", "said"),
    [
        (FetchConfig, {"size": 8}, "size must be 16..512 px, got 8"),
        (TeacherConfig, {"epochs": 0}, "epochs must be >= 1, got 0"),
        (StudentConfig, {"epochs": 0, "ridge": "off"}, "epochs = 0 trains nothing; set ridge = end"),
        (StudentConfig, {"mixup": True}, "mixup needs a live teacher; set views = 0"),
        (StudentConfig, {"noise": 1.5}, "noise must be in 0..1, got 1.5"),
        (StudentConfig, {"img_size": 4000}, "img_size must be 8..1024 px, got 4000"),
        (StudentConfig, {"lr": 0.0}, "lr must be > 0, got 0.0"),
        (StudentConfig, {"ema": 1.0}, "ema must be in [0, 1), got 1.0"),
        (StudentConfig, {"seed": -1}, "seed must be >= 0, got -1"),
        (StudentConfig, {"anchor": -1.0}, "anchor must be >= 0, got -1.0"),
        (StudentConfig, {"focal": -1.0}, "focal must be >= 0, got -1.0"),
        (StudentConfig, {"push_margin": 0.0}, "push_margin must be in (0, 2], got 0.0"),
        (StudentConfig, {"rank_neighbours": 1}, "rank_neighbours must be >= 2, got 1"),
        (StudentConfig, {"hardest": 0}, "hardest must be >= 1, got 0"),
        (
            StudentConfig,
            {"relational": 0.1, "batch_size": 1},
            "relational and cross_similarity need a batch_size >= 2, got 1",
        ),
        (StudentConfig, {"prototypes": "mean"}, "prototypes 'mean' is unknown; did you mean 'means'?"),
        (StudentConfig, {"temperature": 0.0}, "temperature must be > 0, got 0.0"),
        (StudentConfig, {"device": "tpu"}, "device 'tpu' is unknown; did you mean 'cpu'?"),
        (StudentConfig, {"amp": "bf61"}, "amp 'bf61' is unknown; did you mean 'bf16'?"),
        (TeacherConfig, {"dim": 1}, "dim must be >= 2, got 1"),
        (TeacherConfig, {"margin": 1.0}, "margin must be in [0, 1), got 1.0"),
        (TeacherConfig, {"erase": 1.5}, "erase must be in 0..1, got 1.5"),
        (SupernetConfig, {"mode": "anchord"}, "mode 'anchord' is unknown; did you mean 'anchored'?"),
        (SupernetConfig, {"sizes": (8, 32)}, "sizes must be 16..512 px, got [8, 32]"),
        (SupernetConfig, {"sizes": ()}, "sizes must be 16..512 px, got []"),
        (
            SupernetConfig,
            {"anchor": 0.0},
            "anchor must be > 0: it alone ties every architecture to the space, got 0.0",
        ),
        (SupernetConfig, {"bins": 0}, "bins must be >= 1, got 0"),
        (UpdateConfig, {"dim": 1}, "dim must be 0 or >= 2, got 1"),
        (UpdateConfig, {"method": "lec"}, "method 'lec' is unknown; did you mean 'lce'?"),
        (UpdateConfig, {"strength": -1.0}, "strength must be >= 0, got -1.0"),
        (UpdateConfig, {"smooth": 1.0}, "smooth must be in [0, 1), got 1.0"),
        (UpdateConfig, {"mix": 1.0}, "mix must be in [0, 1), got 1.0"),
        (
            UpdateConfig,
            {"method": "lce", "unseen": "soft"},
            "unseen = soft is a route of influence; lce has none",
        ),
        (
            UpdateConfig,
            {"method": "lce", "extra": "data/icons"},
            "extra images have no label; take a method with an anchor",
        ),
        (EmbedConfig, {"split": "tset"}, "split 'tset' is unknown; did you mean 'test'?"),
        (EmbedConfig, {"batch_size": 0}, "batch_size must be >= 1, got 0"),
        (EvaluateConfig, {"ks": (0, 5)}, "ks must be ranks >= 1, got [0, 5]"),
        (EvaluateConfig, {"draws": 10}, "draws must be >= 100, got 10"),
        (ExportConfig, {"opset": 17}, "opset must be >= 18 (torch raises lower ones silently), got 17"),
        (ExportConfig, {"tolerance": 1.0}, "tolerance must be in (0, 0.1), got 1.0"),
        (BenchConfig, {"rounds": 1}, "rounds must be >= 10, got 1"),
    ],
)
def test_a_value_out_of_range_says_what_is_allowed(stage: type[Any], values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        stage(**values)
    assert str(caught.value) == said


@pytest.mark.parametrize("name", ["lr", "clip", "width", "weight_decay", "trunk_lr", "anchor", "temperature"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        StudentConfig(**{name: value})


def test_a_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    with pytest.raises(ConfigError, match=r"run\.toml: cannot read: No such file"):
        read_toml(path)
    path.write_text("epochs = 3\nlr = \n")
    with pytest.raises(ConfigError, match=r"run\.toml: not TOML: .*line 2"):
        read_toml(path)
    path.write_bytes(b"name = '\xff'\n")
    with pytest.raises(ConfigError, match=r"run\.toml: not TOML"):
        read_toml(path)


@click.command()
@settings(EvaluateConfig)
def show(config: EvaluateConfig) -> None:
    click.echo(f"{config.draws} {config.seed} {config.ks} {config.check} {config.split}")


def run_show(tmp_path: Path, toml: str, *typed: str) -> Result:
    (tmp_path / "run.toml").write_text(toml)
    return CliRunner().invoke(show, ["--config", str(tmp_path / "run.toml"), *typed])


def test_a_default_gives_way_to_the_file_and_the_file_to_what_is_typed(tmp_path: Path) -> None:
    assert run_show(tmp_path, "").stdout == "2000 0 (1, 5) False test\n"
    toml = 'draws = 300\nseed = 7\nks = [10]\ncheck = true\nsplit = "val"\n'
    assert run_show(tmp_path, toml).stdout == "300 7 (10,) True val\n"
    typed = ("--draws", "400", "-k", "2", "-k", "3", "--no-check")
    assert run_show(tmp_path, toml, *typed).stdout == "400 7 (2, 3) False val\n"


def test_a_typed_value_that_equals_the_default_still_wins_over_the_file(tmp_path: Path) -> None:
    assert run_show(tmp_path, "draws = 300\n", "--draws", "2000").stdout.startswith("2000 ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('draws = "300"', "draws must be int, got '300'"),
        ("draws = 300.0", "draws must be int, got 300.0"),
        ("draws = true", "draws must be int, got True"),
        ("check = 1", "check must be bool, got 1"),
        ("split = 3", "split must be str, got 3"),
        ("ks = 5", "ks must be list of int, got 5"),
        ("ks = [1, 'a']", "ks must be list of int, got [1, 'a']"),
        ("ks = [true]", "ks must be list of int, got [True]"),
    ],
)
def test_a_value_of_another_type_in_the_file_is_refused(line: str, said: str, tmp_path: Path) -> None:
    result = run_show(tmp_path, line)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == f"{tmp_path / 'run.toml'}: {said}"


def test_a_whole_number_is_a_float_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("tolerance = 0\n")
    words = ["export", "runs/none", "-o", str(tmp_path / "out"), "--config", str(tmp_path / "run.toml")]
    result = CliRunner().invoke(main, words)
    assert result.stderr == f"Error: {tmp_path / 'run.toml'}: tolerance must be in (0, 0.1), got 0.0\n"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("epoch = 3\n", "unknown setting 'epoch'; did you mean 'epochs'?"),
        ('epochs = "3"\n', "run.toml: epochs must be int, got '3'"),
        ("batch_size = 0\n", "batch_size must be >= 1, got 0"),
        ("epochs\n", "run.toml: not TOML: "),
        (None, "run.toml: cannot read: No such file or directory"),
    ],
)
def test_a_wrong_file_is_one_line_from_a_real_command(toml: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    if toml is not None:
        path.write_text(toml)
    words = ["train-student", "data/none", "--teacher", "t", "-o", str(tmp_path / "out"), "--config", str(path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
