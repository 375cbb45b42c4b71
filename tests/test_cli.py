"""The click group: exit codes, one-line errors, what the help says, the installed command."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

import hetvs
from hetvs.cli import main
from hetvs.cli.group import COMMANDS
from hetvs.cli.options import settings
from hetvs.config import EvaluateConfig, StudentConfig, TeacherConfig
from hetvs.errors import (
    ArtifactError,
    ConfigError,
    DatasetError,
    GateError,
    HetvsError,
    IncompatibleSpaceError,
    ManifestError,
    ParityError,
)

HETVS = Path(sys.executable).with_name("hetvs")
EXIT_CODES = {
    HetvsError: 1,
    ConfigError: 1,
    ManifestError: 1,
    DatasetError: 1,
    ArtifactError: 1,
    IncompatibleSpaceError: 1,
    ParityError: 1,
    GateError: 3,
}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Adds `hetvs fail`, a command that raises what the test puts into the list."""
    raised: list[BaseException] = []

    @click.command()
    def fail() -> None:
        raise raised[0]

    module = ModuleType("failing_command")
    vars(module)["fail"] = fail
    monkeypatch.setitem(sys.modules, "failing_command", module)
    monkeypatch.setitem(COMMANDS, "fail", "failing_command:fail")
    return raised


@pytest.mark.parametrize(("kind", "code"), EXIT_CODES.items())
def test_an_error_of_ours_is_one_line_with_its_exit_code(
    kind: type[HetvsError], code: int, failing: list[BaseException]
) -> None:
    failing.append(kind("m.csv:7: label is empty;\n   fill it in"))
    result = CliRunner().invoke(main, ["fail"])
    assert result.exit_code == code
    assert result.stderr == "Error: m.csv:7: label is empty; fill it in\n"
    assert result.stdout == ""


def test_every_error_of_ours_has_an_exit_code() -> None:
    def tree(kind: type[HetvsError]) -> set[type[HetvsError]]:
        return {kind}.union(*(tree(child) for child in kind.__subclasses__()))

    assert tree(HetvsError) == set(EXIT_CODES)


def test_a_bug_keeps_its_traceback(failing: list[BaseException]) -> None:
    failing.append(ZeroDivisionError("a bug"))
    assert isinstance(CliRunner().invoke(main, ["fail"]).exception, ZeroDivisionError)


@pytest.mark.parametrize("words", ["nonsense", "embed", "embed d --model m -o o --batch-size many", "embed --colour"])
def test_wrong_usage_exits_2(words: str) -> None:
    assert CliRunner().invoke(main, words.split()).exit_code == 2


def test_help_lists_the_commands_in_pipeline_order() -> None:
    shown = CliRunner().invoke(main, ["-h"]).stdout
    places = [shown.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


def test_every_command_answers_to_the_name_it_is_listed_under() -> None:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.name == name


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"hetvs, version {hetvs.__version__}\n"


def test_the_installed_command_shows_one_line_and_no_traceback(tmp_path: Path) -> None:
    words = [HETVS, "embed", tmp_path / "none", "--model", tmp_path, "-o", tmp_path / "v"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


# Options made from settings.


@pytest.mark.parametrize("stage", [TeacherConfig, StudentConfig, EvaluateConfig])
def test_every_setting_has_an_option_with_its_help_and_its_default(stage: type[Any]) -> None:
    command = click.command("stage")(settings(stage)(lambda config: None))
    options = {p.name: p for p in command.params if isinstance(p, click.Option)}
    for f in fields(stage):
        option = options[f.name]
        assert "--" + f.name.replace("_", "-") in option.opts
        assert option.help is not None
        assert option.help.startswith(f.metadata["help"])
        default = " ".join(map(str, f.default)) if isinstance(f.default, tuple) else str(f.default)
        assert f"[default: {default or 'none'}]" in option.help
        assert not f.metadata["short"] or f"-{f.metadata['short']}" in option.opts
    assert set(options) == {f.name for f in fields(stage)} | {"config_path"}


def test_a_choice_is_checked_before_anything_runs(tmp_path: Path) -> None:
    words = ["train-student", "d", "--teacher", "t", "-o", str(tmp_path / "o"), "--device", "tpu"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "'tpu' is not one of 'cpu', 'cuda'" in result.stderr


# The lazy surface of `import hetvs`.


@pytest.mark.parametrize("name", hetvs.__all__)
def test_every_public_name_is_there_and_explains_itself(name: str) -> None:
    assert getattr(hetvs, name).__doc__


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'hetvs' has no attribute 'Galery'"):
        attrgetter("Galery")(hetvs)


def test_models_are_listed_by_pattern() -> None:
    listed = CliRunner().invoke(main, ["models", "hetvs/*"]).stdout.split()
    assert listed == ["hetvs/edgenet", "hetvs/resnet18"]
    assert "torchvision/mobilenet_v3_small" in CliRunner().invoke(main, ["models"]).stdout.split()
