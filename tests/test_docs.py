"""What the pages say is so: the tree, the links, the commands, the options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hetvs.cli import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAME_IN_TREE = re.compile(r"\S+/|\S+\.\w+|Makefile|LICENSE")


def blocks(page: Path) -> list[str]:
    return FENCE.findall(page.read_text())


def drawn_tree() -> list[str]:
    """The paths that the README's tree draws, as posix text without a closing slash."""
    trees = [block for block in blocks(README) if block.startswith("pyproject.toml")]
    assert trees, "README.md: no fenced block starts with `pyproject.toml`; draw the tree of the repository there"
    return list(paths_of(trees[0]))


def paths_of(tree: str) -> Iterator[str]:
    """Read a tree: a name or several per line, children indented, words about it two spaces further on."""
    parents: list[tuple[int, str]] = []  # (indent, folder)
    for line in filter(str.strip, tree.splitlines()):
        indent = len(line) - len(line.lstrip())
        parents = [(column, folder) for column, folder in parents if column < indent]
        above = "".join(folder for _, folder in parents)
        for cell in re.split(r"\s{2,}", line.strip()):
            if not NAME_IN_TREE.fullmatch(cell):
                break
            yield (above + cell).rstrip("/")
            if cell.endswith("/"):
                parents.append((indent, cell))


def test_tree_reader() -> None:
    tree = "pyproject.toml   docs/\nhetvs/     the library\n  files.py  atomic\n  nas/      search.\nexport/   ONNX\n"
    assert list(paths_of(tree)) == ["pyproject.toml", "docs", "hetvs", "hetvs/files.py", "hetvs/nas", "export"]


def test_everything_in_the_tree_is_on_the_disk() -> None:
    missing = [path for path in drawn_tree() if not (ROOT / path).exists()]
    assert not missing, f"README.md draws {missing}, which do not exist"


def test_every_folder_on_the_disk_is_in_the_tree() -> None:
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    top = [f for f in ROOT.iterdir() if f.is_dir() and not f.name.startswith(".")]
    top = [folder for folder in top if not any(fnmatch(folder.name, pattern) for pattern in ignored)]
    inner = {file.parent for folder in top if folder.name != "tests" for file in folder.rglob("*.py")}
    on_disk = {folder.relative_to(ROOT).as_posix() for folder in {*top, *inner}}
    undrawn = sorted(on_disk - set(drawn_tree()))
    assert not undrawn, f"README.md does not draw {undrawn}"


def test_a_folder_of_the_tree_names_all_its_modules_or_none() -> None:
    drawn = set(drawn_tree())
    for folder in sorted({path.rpartition("/")[0] for path in drawn if path.endswith(".py")}):
        on_disk = {f"{folder}/{file.name}" for file in (ROOT / folder).glob("*.py") if file.name != "__init__.py"}
        assert on_disk <= drawn, f"README.md does not draw {sorted(on_disk - drawn)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    targets = [
        t for t in LINK.findall(FENCE.sub("", page.read_text())) if "://" not in t and not t.startswith("mailto:")
    ]
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken, f"{page.name} links to {broken}"


def commands_in(text: str) -> list[list[str]]:
    """Return the words of each `hetvs ...` command of a block, continued lines joined."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\||;", line.strip().removeprefix("$ ")):
            words = re.match(r"(?:\.venv/bin/)?hetvs\s+(.*)", part.strip())
            if words:
                found.append(shlex.split(words[1], comments=True))
    return found


def parse(words: list[str]) -> None:
    """Parse a command line as `hetvs` would, without running it; a UsageError when it would refuse."""
    command: click.Command = main
    context = click.Context(main, info_name="hetvs")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        chosen = command.get_command(context, name)
        if chosen is None:
            raise click.UsageError(f"no command {name!r}")
        command, context = chosen, click.Context(chosen, info_name=name, parent=context)
    if not isinstance(command, click.Group):
        command.make_context(command.name, list(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_written_commands_would_be_taken(page: Path) -> None:
    for block in blocks(page):
        for words in commands_in(block):
            try:
                parse(words)
            except click.UsageError as error:
                pytest.fail(f"{page.name}: hetvs {shlex.join(words)}: {error.format_message()}")


def test_readme_shows_commands() -> None:
    assert any(commands_in(block) for block in blocks(README)), "README.md shows no `hetvs ...` command"


@pytest.mark.parametrize("words", ["nonsense", "check", "check b --agianst v", "embed d --model m -o o -b many"])
def test_a_wrong_command_is_noticed(words: str) -> None:
    with pytest.raises(click.UsageError):
        parse(words.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    code = [*blocks(page), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]
    named = {name for piece in code for name in re.findall(r"(?:^|&& )make ([a-z][a-z-]*)", piece, re.MULTILINE)}
    assert named <= targets, f"{page.name} names {sorted(named - targets)}"


def test_make_help_is_the_default_and_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    rules = set(re.findall(r"^([a-z][a-z-]*):(?!=)", text, re.MULTILINE))
    assert rules == set(re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE))
    assert rules == set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split())
    assert ".DEFAULT_GOAL := help" in text


def leaves(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*above, name))


def test_every_command_explains_itself_and_its_options() -> None:
    for path in leaves(main):
        result = CliRunner().invoke(main, [*path, "--help"])
        assert result.exit_code == 0, f"hetvs {' '.join(path)} --help: {result.output}"
        assert result.stdout.startswith("Usage: "), path
        command = command_of(path)
        assert command.help, f"hetvs {' '.join(path)} has no sentence"
        for option in (p for p in command.params if isinstance(p, click.Option)):
            assert option.help, f"hetvs {' '.join(path)} {option.opts[0]} has no help"
            if option.is_flag:
                assert option.secondary_opts, f"hetvs {' '.join(path)} {option.opts[0]} has no --no- form"


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        chosen = command.get_command(click.Context(command), name)
        assert chosen is not None
        command = chosen
    return command
